// npm's ollama: lists, chats, streams, errors.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ollama } from 'ollama';
import { key, leaves, length, messages, prompt } from './server.js';

const client = (server, name = key) => new Ollama({ host: server.url, headers: { Authorization: `Bearer ${name}` } });
const options = { temperature: 0, num_predict: length };

export default function ollama(server, want) {
  const c = client(server);

  test('ollama: lists', async () => {
    assert.match((await c.version()).version, /^\d/);
    const { models } = await c.list();
    assert.deepEqual(models.map((m) => m.name), ['demo']);
    assert.equal((await c.show({ model: 'demo:latest' })).details.format, 'gguf');
    assert.deepEqual((await c.ps()).models.map((m) => m.name), ['demo']);
  });

  test('ollama: chats and generates', async () => {
    const r = await c.chat({ model: 'demo', messages, options });
    assert.deepEqual([r.message.content, r.message.role, r.done_reason, r.eval_count], [want, 'assistant', 'length', length]);
    let text = '';
    for await (const part of await c.chat({ model: 'demo', messages, options, stream: true })) text += part.message.content;
    assert.equal(text, want);
    assert.equal((await c.generate({ model: 'demo', prompt, options })).response, want);
    text = '';
    for await (const part of await c.generate({ model: 'demo', prompt, options, stream: true })) text += part.response;
    assert.equal(text, want);
  });

  test('ollama: leaves', async () => {
    const stream = await c.generate({ model: 'demo', prompt: 'Once', raw: true, options: { temperature: 2, seed: 1 }, stream: true });
    await leaves(server, () => stream.abort(), stream);
  });

  test('ollama: errors', async () => {
    for (const stream of [false, true]) {
      await assert.rejects(c.chat({ model: 'gone', messages, stream }), (err) => {
        assert.deepEqual([err.name, err.status_code], ['ResponseError', 404]);
        assert.match(err.message, /there is no model/);
        return true;
      });
    }
    await assert.rejects(client(server, 'no key').list(), (err) => err.name === 'ResponseError' && err.status_code === 401);
  });
}
