/**
 * The conversations of this tab: what is open, and the replies at work. It changes
 * conversations, keeps them on the server, and tells the views by events:
 * `list` (the conversations), `open` (another one is in view), `thread` (its messages),
 * `piece` (a reply goes on), `trouble` (an error in one line).
 * @module
 */
import { Failure } from './api.js';
import * as store from './store.js';
import { reply } from './stream.js';
import * as tree from './tree.js';

/** How often a reply at work is kept on the server, in milliseconds. */
const keepEvery = 1000;

/** A request that is sent while the page goes away may have this many bytes. */
const lastBytes = 60000;

/** Marks of `finish` beside those of the server. */
export const atWork = 'at_work';
export const stopped = 'stopped';
export const failed = 'error';

export class Chat extends EventTarget {
  constructor() {
    super();
    this.heads = []; // the one changed last first
    this.kept = ''; // where the server keeps them: disk or memory
    this.open = blank();
    /** Replies at work, by the conversation that they belong to. */
    this.live = new Map();
    this.writes = new WeakMap(); // the last change on its way, by conversation
    this.left = false; // the page goes away
  }

  tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  /** Runs what the reader asked for, and tells of its failure. */
  async attempt(what) {
    try {
      return await what();
    } catch (err) {
      if (err.name !== 'AbortError') this.tell('trouble', err instanceof Failure ? err.message : `The page made a mistake: ${err.message}. Reload it.`);
      if (!(err instanceof Failure) && err.name !== 'AbortError') console.error(err);
      return undefined;
    }
  }

  async refresh() {
    const { data, kept } = await store.list();
    this.heads = data;
    this.kept = kept;
    this.tell('list');
  }

  /** The reply at work in a conversation, or undefined. */
  working(c = this.open) {
    return this.live.get(c);
  }

  begin(model = this.open.model, settings = {}) {
    this.open = { ...blank(), model, settings };
    this.tell('open');
  }

  async show(id) {
    if (this.open.id === id) return;
    const at = [...this.live.keys()].find((c) => c.id === id);
    this.wanted = id;
    const c = at ?? sound(await store.read(id));
    if (this.wanted !== id) return; // another one was asked for meanwhile
    this.open = c;
    this.tell('open');
  }

  /** Changes fields of a conversation here and, once it is there, on the server. */
  async change(c, fields) {
    Object.assign(c, fields);
    if (c.id) await this.keep(c, fields);
    const head = this.heads.find((h) => h.id === c.id);
    if (head && fields.title !== undefined) head.title = fields.title;
    this.tell('list');
  }

  /** Keeps a change. Changes of one conversation go one after the other. */
  keep(c, fields) {
    const before = this.writes.get(c) ?? Promise.resolve();
    const next = before.catch(() => {}).then(() => store.patch(c.id, fields));
    this.writes.set(c, next);
    return next;
  }

  async rename(id, title) {
    const c = this.open.id === id ? this.open : [...this.live.keys()].find((one) => one.id === id) ?? { id };
    await this.change(c, { title });
    if (c === this.open) this.tell('title');
  }

  /** Removes a conversation and returns what brings it back. */
  async remove(id) {
    const at = [...this.live.keys()].find((c) => c.id === id);
    if (at) {
      const { ended } = this.live.get(at);
      this.stop(at);
      await ended;
    }
    const whole = store.portable(await store.read(id));
    await store.remove(id);
    this.heads = this.heads.filter((h) => h.id !== id);
    if (this.open.id === id) this.begin();
    this.tell('list');
    return async () => {
      const made = await store.create(whole);
      await this.refresh();
      if (!this.open.id && tree.path(this.open).length === 0) await this.show(made.id);
    };
  }

  /** Sends a message behind another one, and asks for the reply. */
  async send(text, parent = this.open.current || null) {
    const c = this.open;
    if (this.working(c)) return;
    const id = tree.add(c, parent, { role: 'user', content: text });
    if (!c.title) c.title = tree.titleOf(text);
    await this.answer(c, id);
  }

  /** Makes another reply at a reply's place. */
  regenerate(id) {
    const c = this.open;
    return this.working(c) ? undefined : this.answer(c, c.messages[id].parent);
  }

  /** Goes on with a reply that was cut off. */
  resume(id) {
    const c = this.open;
    return this.working(c) ? undefined : this.run(c, id);
  }

  /** Turns to another branch at a message's place. */
  async turn(id) {
    const c = this.open;
    c.current = tree.tip(c, id);
    this.tell('thread');
    if (c.id) await this.keep(c, { current: c.current });
  }

  async answer(c, parent) {
    const id = tree.add(c, parent, { role: 'assistant', content: '', reasoning: '', model: c.model });
    await this.run(c, id);
  }

  /** Makes a reply, or the rest of one, and keeps what there is of it meanwhile. */
  async run(c, id) {
    const m = c.messages[id];
    const work = { id, stop: new AbortController(), kept: performance.now() };
    let end;
    work.ended = new Promise((resolve) => {
      end = resolve;
    });
    Object.assign(m, { finish: atWork, error: undefined });
    this.live.set(c, work);
    if (c === this.open) this.tell('thread');
    this.tell('list');
    try {
      await this.settle(c, id);
      for await (const p of reply(this.request(c, id), work.stop.signal)) this.take(c, work, m, p);
      if (m.finish === atWork) m.finish = 'stop';
    } catch (err) {
      if (this.left) {
        // The page goes away, which cut the reply off. What there was of it is kept.
      } else if (err.name === 'AbortError') {
        m.finish = stopped;
      } else {
        m.finish = failed;
        m.error = err instanceof Failure ? err.message : `The page made a mistake: ${err.message}. Reload it.`;
        if (!(err instanceof Failure)) console.error(err);
      }
    } finally {
      this.live.delete(c);
      if (c === this.open) this.tell('thread');
      this.tell('done', m);
      if (c.id && !this.left) await this.keep(c, { messages: { [id]: m } }).then(() => this.refresh()).catch((err) => this.notKept(err));
      end();
    }
  }

  /** Keeps a message and the reply that begins behind it. A new conversation gets its place. */
  async settle(c, id) {
    try {
      if (!c.id) {
        await this.place(c);
        return;
      }
    } catch (err) {
      if (err.status === 401) throw err;
      this.notKept(err); // the reply can be made all the same
      return;
    }
    const { parent } = c.messages[id];
    const change = { current: id, messages: { [id]: c.messages[id], ...(parent && { [parent]: c.messages[parent] }) } };
    const kept = this.keep(c, change).catch((err) => {
      if (err.status !== 404) throw err;
      return this.place(c); // the server began anew, and has forgotten it
    });
    this.writes.set(c, kept);
    kept.catch((err) => this.notKept(err));
  }

  /** Keeps a conversation that the server does not have. */
  async place(c) {
    c.id = (await store.create(store.portable(c))).id;
    if (c === this.open) this.tell('named');
    this.refresh().catch(() => {});
  }

  notKept(err) {
    this.tell('trouble', `The conversation is not kept. ${err.message}`);
  }

  take(c, work, m, p) {
    m.content += p.content;
    if (p.reasoning) m.reasoning = (m.reasoning ?? '') + p.reasoning;
    if (p.finish) m.finish = p.finish;
    if (p.usage || p.timings) m.figures = figures(p, m.figures);
    const now = performance.now();
    if (c.id && now - work.kept > keepEvery) {
      work.kept = now;
      this.keep(c, { messages: { [work.id]: { ...m } } }).catch(() => {});
    }
    if (c === this.open) this.tell('piece', work.id);
  }

  /** The body of a request for a reply. */
  request(c, id) {
    const { system, params } = c.settings;
    const messages = tree.path(c, id).map((at) => c.messages[at]).map(({ role, content }) => ({ role, content }));
    const resumed = Boolean(messages.at(-1).content);
    if (!resumed) messages.pop();
    if (system) messages.unshift({ role: 'system', content: system });
    const body = { ...params, model: c.model, messages };
    if (resumed) Object.assign(body, { continue_final_message: true, add_generation_prompt: false });
    return body;
  }

  /** Ends the reply at work in a conversation. What there is of it stays. */
  stop(c = this.open) {
    this.live.get(c)?.stop.abort();
  }

  /** Keeps what there is of replies at work when the page goes away. */
  leave() {
    this.left = true;
    for (const [c, work] of this.live) {
      const change = { messages: { [work.id]: c.messages[work.id] } };
      if (c.id && JSON.stringify(change).length < lastBytes) store.patch(c.id, change, { keepalive: true }).catch(() => {});
    }
  }
}

function blank() {
  return { id: '', title: '', model: '', settings: {}, current: '', messages: {} };
}

/**
 * A conversation that another program may have written, with what the page relies on. The
 * server has checked parents, roles and contents.
 */
function sound(c) {
  const { system, params } = c.settings;
  const settings = { ...(typeof system === 'string' && { system }), ...(isObject(params) && { params }) };
  const messages = {};
  for (const [id, m] of Object.entries(c.messages)) {
    messages[id] = { ...m, created: Number.isFinite(m.created) ? m.created : 0, figures: isObject(m.figures) ? m.figures : undefined };
    for (const name of ['reasoning', 'finish', 'error', 'model']) if (typeof m[name] !== 'string') delete messages[id][name];
  }
  return { ...blank(), ...c, settings, messages };
}

const isObject = (v) => typeof v === 'object' && v !== null && !Array.isArray(v);

/** The figures of a reply in the page's own names. */
function figures({ usage, timings }, before = {}) {
  const f = { ...before };
  if (usage) {
    f.prompt = usage.prompt_tokens;
    f.made = usage.completion_tokens;
    f.cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  }
  if (timings) {
    f.prompt = timings.prompt_n + timings.cache_n;
    f.made = timings.predicted_n;
    f.cached = timings.cache_n;
    f.speed = timings.predicted_per_second;
    f.first = timings.prompt_ms;
    f.drafted = timings.draft_n;
    f.accepted = timings.draft_n_accepted;
  }
  return f;
}
