// npm's openai: chats, streams, responses, completions, errors by class, limits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { key, leaves, length, messages, prompt, room } from './server.js';

export const client = (server, options = {}) => new OpenAI({ baseURL: `${server.url}/v1`, apiKey: key, maxRetries: 0, ...options });
const ask = { model: 'demo', messages, temperature: 0, max_completion_tokens: length };

export default function openai(server, want) {
  const c = client(server);

  test('openai: chats', async () => {
    const r = await c.chat.completions.create({ ...ask, logprobs: true, top_logprobs: 2 });
    const [one] = r.choices;
    assert.deepEqual([one.message.content, one.message.role, one.finish_reason, r.usage.completion_tokens], [want, 'assistant', 'length', length]);
    assert.equal(one.logprobs.content.length, length);
    assert.equal(one.logprobs.content.map((x) => x.token).join(''), want);
    const two = await c.chat.completions.create({ ...ask, n: 2, temperature: 1, seed: 3 });
    assert.deepEqual(two.choices.map((x) => x.index), [0, 1]);
    const stop = want.split(' ')[5];
    const cut = await c.chat.completions.create({ ...ask, stop: [stop] });
    assert.deepEqual([cut.choices[0].message.content, cut.choices[0].finish_reason], [want.slice(0, want.indexOf(stop)), 'stop']);
    assert.deepEqual((await c.models.list()).data.map((m) => m.id), ['demo']);
    assert.equal((await c.models.retrieve('demo')).object, 'model');
  });

  test('openai: streams', async () => {
    let text = '', usage;
    for await (const e of await c.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
      text += e.choices[0]?.delta.content ?? '';
      usage = e.usage ?? usage;
    }
    assert.deepEqual([text, usage.completion_tokens], [want, length]);
    const helped = c.chat.completions.stream(ask); // checks the form of each chunk
    const all = await helped.finalChatCompletion();
    assert.deepEqual([all.choices[0].message.content, all.choices[0].finish_reason], [want, 'length']);
    const alone = await c.chat.completions.create({ ...ask, stream: true });
    let streamed = '';
    for await (const line of alone.toReadableStream()) streamed += new TextDecoder().decode(line);
    assert.equal(streamed.trim().split('\n').map((l) => JSON.parse(l).choices[0]?.delta.content ?? '').join(''), want);
  });

  test('openai: responses', async () => {
    const q = { model: 'demo', input: prompt, temperature: 0, max_output_tokens: length };
    const r = await c.responses.create(q);
    assert.deepEqual([r.output_text, r.status, r.incomplete_details.reason, r.usage.output_tokens], [want, 'incomplete', 'max_output_tokens', length]);
    const all = await c.responses.stream(q).finalResponse();
    assert.deepEqual([all.output_text, all.status], [want, 'incomplete']);
  });

  test('openai: completions', async () => {
    const r = await c.completions.create({ model: 'demo', prompt: [5, 40, 100], echo: true, logprobs: 1, max_tokens: 1, temperature: 0 });
    assert.equal(r.choices[0].logprobs.token_logprobs.length, 4);
    assert.equal(r.choices[0].logprobs.token_logprobs[0], null);
    let text = '';
    for await (const e of await c.completions.create({ model: 'demo', prompt: ['Once', 'The'], max_tokens: 3, temperature: 0, stream: true })) text += e.choices[0].index;
    assert.match(text, /0.*1|1.*0/);
  });

  test('openai: leaves', async () => {
    const gone = new AbortController();
    const stream = await c.chat.completions.create({ model: 'demo', messages, logit_bias: server.endless(), stream: true }, { signal: gone.signal });
    await leaves(server, () => gone.abort(), stream);
  });

  test('openai: errors', async () => {
    for (const [change, type, status, code] of [
      [{ model: 'gone' }, OpenAI.NotFoundError, 404, 'model_not_found'],
      [{ top_p: 2 }, OpenAI.BadRequestError, 400, 'invalid_value'],
      [{ n: 9 }, OpenAI.BadRequestError, 400, 'invalid_value'],
      [{ messages: [{ role: 'user', content: 'fox '.repeat(room) }] }, OpenAI.BadRequestError, 400, 'context_length_exceeded'],
      [{ user: 'x'.repeat(9 << 20) }, OpenAI.APIError, 413, 'request_too_large'],
    ]) {
      for (const stream of [false, true]) {
        await assert.rejects(c.chat.completions.create({ ...ask, ...change, stream }), (err) => {
          assert(err instanceof type, `${err.constructor.name}: ${err.message}`);
          assert.deepEqual([err.status, err.code], [status, code]);
          assert.notEqual(err.message, '');
          return true;
        });
      }
    }
    await assert.rejects(client(server, { apiKey: 'no key' }).models.list(), OpenAI.AuthenticationError);
    await assert.rejects(c.embeddings.create({ model: 'demo', input: 'x' }), OpenAI.BadRequestError);
  });
}
