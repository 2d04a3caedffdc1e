/**
 * Where messages are written.
 * @module
 */
import { byID, h, icon } from './dom.js';

export class Composer {
  /**
   * @param {import('./chat.js').Chat} chat
   * @param {import('./thread.js').Thread} thread
   */
  constructor(chat, thread) {
    this.chat = chat;
    this.thread = thread;
    this.input = byID('input');
    this.drafts = new WeakMap();
    this.of = chat.open;
    this.send = h('button', { type: 'submit', class: 'round', 'aria-label': 'Send', title: 'Send' }, icon('send'));
    this.stop = h('button', { type: 'button', class: 'round', 'aria-label': 'Stop', title: 'Stop (Esc)', onclick: () => this.halt() }, icon('stop'));
    byID('row').append(this.send, this.stop);
    byID('form').addEventListener('submit', (e) => {
      e.preventDefault();
      this.go();
    });
    this.input.addEventListener('input', () => this.draw());
    this.input.addEventListener('keydown', (e) => this.key(e));
    for (const type of ['thread', 'done', 'list']) chat.addEventListener(type, () => this.draw());
    chat.addEventListener('open', () => this.swap());
    this.draw();
  }

  /** What was written and not sent stays with its conversation. */
  swap() {
    this.drafts.set(this.of, this.input.value);
    this.of = this.chat.open;
    this.input.value = this.drafts.get(this.of) ?? '';
    this.draw();
  }

  key(e) {
    if (e.isComposing) return;
    if (e.key === 'Enter' && !e.shiftKey) {
      e.preventDefault();
      this.go();
    } else if (e.key === 'ArrowUp' && this.input.value === '' && this.thread.editLast()) {
      e.preventDefault();
    }
  }

  go() {
    const text = this.input.value.trim();
    if (!text || this.chat.working()) return;
    this.input.value = '';
    this.thread.follows = true;
    this.input.focus();
    this.chat.attempt(() => this.chat.send(text));
    this.draw();
  }

  halt() {
    this.chat.stop();
    this.input.focus();
  }

  draw() {
    const busy = Boolean(this.chat.working());
    const focused = document.activeElement === this.stop || document.activeElement === this.send;
    this.stop.hidden = !busy;
    this.send.hidden = busy;
    this.send.disabled = this.input.value.trim() === '';
    if (focused) this.input.focus();
    this.input.style.height = 'auto';
    this.input.style.height = `${this.input.scrollHeight}px`;
  }
}
