// Vercel's ai with @ai-sdk/openai-compatible: texts, streams, errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, streamText } from 'ai';
import { key, leaves, length, prompt } from './server.js';

export const provider = (server, options = {}) => createOpenAICompatible({ name: 'mil', baseURL: `${server.url}/v1`, apiKey: key, includeUsage: true, ...options });
const ask = { prompt, temperature: 0, maxOutputTokens: length, maxRetries: 0 };

export default function ai(server, want) {
  const p = provider(server);

  test('ai: texts', async () => {
    const r = await generateText({ ...ask, model: p('demo') });
    assert.deepEqual([r.text, r.finishReason, r.usage.outputTokens], [want, 'length', length]);
    const done = await generateText({ ...ask, model: p.completionModel('demo') });
    assert.equal(done.usage.outputTokens, length);
  });

  test('ai: streams', async () => {
    const r = streamText({ ...ask, model: p('demo') });
    let text = '';
    for await (const piece of r.textStream) text += piece;
    assert.deepEqual([text, await r.finishReason, (await r.usage).outputTokens], [want, 'length', length]);
  });

  test('ai: leaves', async () => {
    const gone = new AbortController();
    const r = streamText({ ...ask, maxOutputTokens: undefined, model: p('demo'), abortSignal: gone.signal, providerOptions: { mil: { logit_bias: server.endless() } }, onError() {} });
    await leaves(server, () => gone.abort(), r.textStream);
  });

  test('ai: errors', async () => {
    for (const [model, more, status] of [[p('gone'), {}, 404], [p('demo'), { topP: 2 }, 400], [provider(server, { apiKey: 'no key' })('demo'), {}, 401]]) {
      await assert.rejects(generateText({ ...ask, model, ...more }), (err) => {
        assert(APICallError.isInstance(err), err.message);
        assert.equal(err.statusCode, status);
        assert.notEqual(err.message, '');
        return true;
      });
    }
    let failed;
    const r = streamText({ ...ask, model: p('gone'), onError({ error }) { failed = error; } });
    for await (const _ of r.textStream) assert.fail('there is text');
    assert.equal(failed.statusCode, 404);
  });
}
