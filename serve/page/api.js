/**
 * Requests to the server that the page came from. A key, once it was asked for, is kept
 * for this tab alone.
 * @module
 */

const kept = 'mil-key';

/** An error in one line that says what to do. `status` is 0 where nobody answered. */
export class Failure extends Error {
  constructor(text, status = 0, code = '') {
    super(text);
    this.name = 'Failure';
    this.status = status;
    this.code = code;
  }
}

/** Asks for the key; set by the page. It gets whether a key was refused. */
let askKey = async () => null;
let asking = null;

/** @param {(refused: boolean) => Promise<?string>} ask */
export function onKey(ask) {
  askKey = ask;
}

function key() {
  return sessionStorage.getItem(kept) ?? '';
}

/** Asks once, however many requests need the key. */
async function newKey(used) {
  if (key() !== used) return true; // another request has got one meanwhile
  asking ??= askKey(used !== '').finally(() => {
    asking = null;
  });
  const given = await asking;
  if (given) sessionStorage.setItem(kept, given);
  return Boolean(given);
}

/**
 * Sends a request and returns the response, whose status is a good one.
 * @param {string} method
 * @param {string} path of this server
 * @param {*} [body] sent as JSON
 * @param {RequestInit} [options]
 * @throws {Failure}
 */
export async function send(method, path, body, options = {}) {
  for (;;) {
    const headers = {};
    const used = key();
    if (used) headers.Authorization = `Bearer ${used}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let response;
    try {
      const data = body === undefined ? undefined : JSON.stringify(body);
      response = await fetch(path, { method, headers, body: data, credentials: 'omit', redirect: 'error', ...options });
    } catch (err) {
      if (err.name === 'AbortError') throw err;
      throw new Failure('The server does not answer. Check that mil serve is running, then try again.');
    }
    if (response.ok) return response;
    if (response.status === 401) {
      if (!options.keepalive && (await newKey(used))) continue;
      throw new Failure('The server needs a key. Reload the page to enter it.', 401);
    }
    throw await failure(response);
  }
}

/** Sends a request and returns the JSON of the answer, null for an empty one. */
export async function call(method, path, body, options) {
  const response = await send(method, path, body, options);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** The failure that a response tells of. */
async function failure(response) {
  let said = {};
  try {
    said = (await response.json()).error ?? {};
  } catch {
    // Something between the page and mil answered.
  }
  return worded(said, response.status, response.headers.get('Retry-After'));
}

/** An error of the server in words for the reader. */
export function worded(said, status = 0, retry = null) {
  const text = oneLine(said?.message ?? '');
  const advice = {
    context_length_exceeded: 'Begin a new conversation, or edit an earlier message.',
    queue_full: `Try again in ${retry ?? 1} s.`,
    model_not_found: 'Choose another model above.',
    shutting_down: 'Start mil serve again, then go on.',
  }[said?.code];
  const plain = text || `The server answered with status ${status}.`;
  return new Failure(advice ? `${sentence(plain)} ${advice}` : sentence(plain), status, said?.code ?? '');
}

function oneLine(text) {
  return String(text).replace(/\s+/g, ' ').trim();
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
