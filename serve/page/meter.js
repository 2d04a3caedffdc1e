/**
 * Speed, context, cached tokens and drafts of the reply at work, or of the last one in view.
 * @module
 */
import { byID, framed, h } from './dom.js';
import * as tree from './tree.js';

const count = (n) => Math.round(n).toLocaleString('en');

/**
 * The figures in words.
 * @param {object} f as chat.js keeps them with a message
 * @returns {string[][]} pairs of a short text and what it means
 */
export function words(f) {
  const out = [];
  if (f.speed > 0) out.push([`${f.speed < 10 ? f.speed.toFixed(1) : Math.round(f.speed)} tok/s`, 'Tokens of the reply in a second']);
  if (f.first > 0) out.push([f.first < 950 ? `${Math.round(f.first)} ms` : `${(f.first / 1000).toFixed(1)} s`, 'Time to the first token']);
  if (f.cached > 0) out.push([`${count(f.cached)} cached`, `Tokens of the prompt that were not read again, of ${count(f.prompt)}`]);
  if (f.drafted > 0) out.push([`${Math.round((100 * f.accepted) / f.drafted)}% of drafts`, `Proposed tokens that were accepted: ${count(f.accepted)} of ${count(f.drafted)}`]);
  return out;
}

export class Meter {
  /** @param {import('./chat.js').Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.context = 0;
    this.el = byID('meter');
    const draw = framed(() => this.draw());
    for (const type of ['open', 'thread', 'piece', 'done']) chat.addEventListener(type, draw);
  }

  /** @param {number} tokens that the model's context holds, 0 for not known yet */
  setContext(tokens) {
    this.context = tokens;
    this.draw();
  }

  draw() {
    const c = this.chat.open;
    const last = tree.path(c).reverse().map((id) => c.messages[id]).find((m) => m.figures?.prompt);
    const kids = [];
    if (last) {
      const f = last.figures;
      const used = f.prompt + f.made;
      const text = this.context > 0 ? `${count(used)} of ${count(this.context)}` : `${count(used)} tokens`;
      const bar = this.context > 0 && h('progress', { max: String(this.context), value: String(Math.min(used, this.context)), 'aria-label': 'Context in use' });
      kids.push(h('span', { title: 'Tokens of the conversation, and how many the context holds' }, bar, text));
      for (const [short, long] of words(f)) kids.push(h('span', { title: long }, short));
    }
    this.el.replaceChildren(...kids);
  }
}
