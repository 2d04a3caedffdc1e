/**
 * Replies as they come: server-sent events of /v1/chat/completions.
 * @module
 */
import { Failure, send, worded } from './api.js';

/**
 * The data of server-sent events in a body of bytes.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<string>}
 */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const lines = rest.split(/\r\n|\n|\r(?!$)/);
      rest = done ? '' : lines.pop();
      for (const line of lines) {
        if (line.startsWith('data:')) {
          data.push(line.slice(line[5] === ' ' ? 6 : 5));
        } else if (line === '' && data.length > 0) {
          yield data.join('\n');
          data = [];
        }
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Asks for a reply and hands over its pieces: `content`, `reasoning`, `finish`, `usage`
 * and `timings`, each where the server sends it.
 * @param {object} request body of /v1/chat/completions
 * @param {AbortSignal} signal ends the request
 * @throws {Failure} also where the reply breaks off
 */
export async function* reply(request, signal) {
  const body = { ...request, stream: true, stream_options: { include_usage: true }, timings_per_token: true };
  const response = await send('POST', '/v1/chat/completions', body, { signal });
  try {
    for await (const data of events(response.body)) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw worded(chunk.error);
      const choice = chunk.choices?.[0];
      yield {
        content: choice?.delta?.content ?? '',
        reasoning: choice?.delta?.reasoning_content ?? '',
        finish: choice?.finish_reason ?? null,
        usage: chunk.usage ?? null,
        timings: chunk.timings ?? null,
      };
    }
  } catch (err) {
    if (err.name === 'AbortError' || err instanceof Failure) throw err;
    throw broken();
  }
  throw broken();
}

function broken() {
  return new Failure('The connection broke off. Check that mil serve is running, then continue or regenerate.');
}
