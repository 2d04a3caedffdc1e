// Clients that come to a full queue, or to a server with too many large requests, wait for
// as long as Retry-After says, ask again, and are answered.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateText } from 'ai';
import { provider } from './ai.js';
import { client as anthropic } from './anthropic.js';
import { client as openai } from './openai.js';
import { fullQueue, largeBody, messages, prompt } from './server.js';

const retrying = {
  openai: (server, fetch) => openai(server, { maxRetries: 3, fetch }).chat.completions.create({ model: 'demo', messages, max_completion_tokens: 2 }),
  anthropic: (server, fetch) => anthropic(server, { maxRetries: 3, fetch }).messages.create({ model: 'demo', messages, max_tokens: 2 }),
  ai: (server, fetch) => generateText({ model: provider(server, { fetch })('demo'), prompt, maxOutputTokens: 2, maxRetries: 3 }),
};
export const queue = Object.keys(retrying).length;

export default function retries(server) {
  for (const [status, fill] of [[429, () => fullQueue(server, queue)], [503, () => largeBody(server)]]) {
    test(`clients ask again after ${status}`, async () => {
      const end = await fill();
      let left = queue;
      await Promise.all(Object.entries(retrying).map(async ([name, ask]) => {
        const statuses = [], times = [];
        await ask(server, async (...args) => {
          const r = await fetch(...args);
          if (statuses.push(r.status) === 1 && --left === 0) end(); // all have met it
          times.push(performance.now());
          return r;
        });
        assert.deepEqual([statuses[0], statuses.at(-1)], [status, 200], name);
        assert(times[1] - times[0] > 990, `${name} asks again after ${times[1] - times[0]} ms`);
      }));
    });
  }
}
