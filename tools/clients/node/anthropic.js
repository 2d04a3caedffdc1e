// @anthropic-ai/sdk: messages, streams, counts, errors by class.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { key, leaves, length, messages } from './server.js';

export const client = (server, options = {}) => new Anthropic({ baseURL: server.url, apiKey: key, maxRetries: 0, ...options });
const ask = { model: 'demo', messages, temperature: 0, max_tokens: length };

export default function anthropic(server, want) {
  const c = client(server);

  test('anthropic: messages', async () => {
    const m = await c.messages.create(ask);
    assert.deepEqual([m.content[0].text, m.stop_reason, m.usage.output_tokens], [want, 'max_tokens', length]);
    const n = await c.messages.countTokens({ model: 'demo', messages });
    assert.equal(n.input_tokens, m.usage.input_tokens + m.usage.cache_read_input_tokens);
    const word = want.split(' ')[5];
    const cut = await c.messages.create({ ...ask, stop_sequences: [word] });
    assert.deepEqual([cut.content[0].text, cut.stop_reason, cut.stop_sequence], [want.slice(0, want.indexOf(word)), 'stop_sequence', word]);
  });

  test('anthropic: streams', async () => {
    const stream = c.messages.stream(ask);
    let text = '';
    stream.on('text', (piece) => { text += piece; });
    const m = await stream.finalMessage();
    assert.deepEqual([text, m.content[0].text, m.stop_reason, m.usage.output_tokens], [want, want, 'max_tokens', length]);
  });

  test('anthropic: leaves', async () => {
    const gone = new AbortController();
    const stream = await c.messages.create({ ...ask, max_tokens: 100000, temperature: 1, stream: true, logit_bias: server.endless() }, { signal: gone.signal });
    await leaves(server, () => gone.abort(), (async function* () {
      for await (const e of stream) if (e.type === 'content_block_delta') yield e;
    })());
  });

  test('anthropic: errors', async () => {
    for (const [change, type, status] of [
      [{ model: 'gone' }, Anthropic.NotFoundError, 404],
      [{ top_p: 2 }, Anthropic.BadRequestError, 400],
      [{ messages: [] }, Anthropic.BadRequestError, 400],
    ]) {
      for (const stream of [false, true]) {
        await assert.rejects(c.messages.create({ ...ask, ...change, stream }), (err) => {
          assert(err instanceof type, `${err.constructor.name}: ${err.message}`);
          assert.deepEqual([err.status, err.error.type, typeof err.error.error.message], [status, 'error', 'string']);
          return true;
        });
      }
    }
    await assert.rejects(client(server, { apiKey: 'no key' }).messages.create(ask), Anthropic.AuthenticationError);
  });
}
