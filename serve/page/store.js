/**
 * Conversations as the server keeps them.
 * @module
 */
import { call } from './api.js';

const base = '/v1/mil/conversations';
const at = (id) => `${base}/${encodeURIComponent(id)}`;

/**
 * The heads of all conversations (id, title, model, created_at, updated_at) as `data`, and
 * as `kept` whether they lie on `disk` or in `memory`.
 */
export const list = () => call('GET', base);

/** A whole conversation. */
export const read = (id) => call('GET', at(id));

/** Keeps a new conversation and returns it, with its id. */
export const create = (conversation) => call('POST', base, conversation);

/** Changes the named fields and messages of a conversation, and returns its head. */
export const patch = (id, change, options) => call('PATCH', at(id), change, options);

/** Removes a conversation. */
export const remove = (id) => call('DELETE', at(id));

/** What the server can do: the table of parameters, and what is known of a model. */
export const parameters = (model) => call('GET', `/v1/mil/parameters?model=${encodeURIComponent(model)}`);

/** The names of the models. */
export async function models() {
  return ((await call('GET', '/v1/models')).data ?? []).map((m) => m.id);
}

/** What can be sent anew of a conversation, to keep it once more or in a file. */
export function portable(c) {
  const { title, model, settings, current, messages, created_at } = c;
  return { title, model, settings, current, messages, created_at };
}
