/**
 * The messages of the branch in view. An element stays while its message does, so that the
 * focus, selections and folds stay, too.
 * @module
 */
import { atWork, failed, stopped } from './chat.js';
import { byID, copy, framed, h, icon, iconButton } from './dom.js';
import { show } from './render.js';
import * as tree from './tree.js';

export class Thread {
  /** @param {import('./chat.js').Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.main = byID('main');
    this.thread = byID('thread');
    this.turns = new Map();
    this.editing = null;
    this.follows = true;
    const piece = framed(() => this.piece());
    chat.addEventListener('open', () => this.fresh());
    chat.addEventListener('thread', () => this.draw());
    chat.addEventListener('list', () => this.turns.size === 0 && this.draw());
    chat.addEventListener('piece', piece);
    this.jump = byID('jump');
    this.jump.append(iconButton('down', 'To the end', () => this.toEnd(true)));
    this.main.addEventListener('scroll', () => {
      this.follows = this.main.scrollHeight - this.main.scrollTop - this.main.clientHeight < 60;
      this.jump.hidden = this.follows;
    }, { passive: true });
    this.fresh();
  }

  fresh() {
    this.editing = null;
    this.turns.clear();
    this.draw();
    this.toEnd();
  }

  toEnd(smooth = false) {
    this.follows = true;
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.main.scrollTo({ top: this.main.scrollHeight, behavior: smooth && !still ? 'smooth' : 'instant' });
    this.jump.hidden = true;
  }

  draw() {
    const c = this.chat.open;
    const ids = tree.path(c);
    if (ids.length === 0) {
      this.thread.replaceChildren(start(this.chat.kept));
      this.turns.clear();
      return;
    }
    const old = this.turns;
    this.turns = new Map(ids.map((id) => [id, old.get(id) ?? new Turn(this, id)]));
    const want = ids.map((id) => this.turns.get(id).el);
    // What stays is not moved, which would take the focus.
    [...this.thread.children].filter((el) => !want.includes(el)).forEach((el) => el.remove());
    want.forEach((el, i) => {
      if (this.thread.children[i] !== el) this.thread.insertBefore(el, this.thread.children[i] ?? null);
    });
    for (const turn of this.turns.values()) turn.draw();
    if (this.follows) this.toEnd();
  }

  /** Draws the reply at work. */
  piece() {
    const work = this.chat.working();
    if (!work) return;
    this.turns.get(work.id)?.text();
    if (this.follows) this.toEnd();
  }

  /** Lets the reader change the last message of their own. */
  editLast() {
    const last = tree.path(this.chat.open).reverse().find((id) => this.chat.open.messages[id].role === 'user');
    if (last) this.turns.get(last).edit();
    return Boolean(last);
  }
}

function start(kept) {
  const until = kept === 'memory' && h('p', {}, 'Conversations are kept until the server ends. Start it with --sessions DIR to keep them longer.');
  return h('div', { class: 'start' }, h('strong', {}, 'What shall we talk about?'),
    h('p', {}, 'The model runs on this server. Nothing is sent anywhere else.'), until);
}

/** One message. */
class Turn {
  constructor(thread, id) {
    this.thread = thread;
    this.chat = thread.chat;
    this.id = id;
    const role = this.m.role === 'user' ? 'user' : 'assistant';
    this.name = role === 'user' ? 'You' : this.m.model || 'Reply';
    this.head = h('h2', { class: role === 'user' ? 'unseen' : null, tabindex: '-1' }, this.name);
    this.body = h('div', { class: 'said' });
    this.more = h('div', {});
    this.acts = h('div', { class: 'acts turnacts', role: 'group', 'aria-label': role === 'user' ? 'Your message' : 'Reply' });
    this.el = h('article', { class: `turn ${role}`, 'data-id': id, 'aria-label': role === 'user' ? 'Your message' : `Reply of ${this.name}` }, this.head, this.body, this.more, this.acts);
    this.role = role;
  }

  get m() {
    return this.chat.open.messages[this.id];
  }

  get busy() {
    return Boolean(this.chat.working());
  }

  draw() {
    this.text();
    const focus = this.acts.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
    this.actions();
    this.trouble();
    if (focus !== null) ([...this.acts.querySelectorAll('button')].find((b) => b.getAttribute('aria-label') === focus && !b.disabled) ?? this.head).focus();
  }

  text() {
    const { m } = this;
    if (this.role === 'user') {
      if (this.body.textContent !== m.content) this.body.textContent = m.content;
      this.body.classList.toggle('fold', m.content.length > 2000);
      if (m.content.length > 2000) this.body.setAttribute('tabindex', '0');
      return;
    }
    if (!this.answer) {
      this.answer = h('div', { class: 'md' });
      this.body.append(this.answer);
    }
    this.thought();
    const working = m.finish === atWork && this.chat.working()?.id === this.id;
    const waits = working && !m.content && !m.reasoning;
    if (waits && !this.wait) this.body.append((this.wait = h('span', { class: 'wait' }, 'Reading the conversation')));
    if (!waits && this.wait) {
      this.wait.remove();
      this.wait = null;
    }
    // A reply at work is shown up to where it is; what may still become a mark is text.
    show(this.answer, m.content);
    this.el.setAttribute('aria-busy', String(working));
  }

  /** What the model thought before its answer, folded. */
  thought() {
    const { m } = this;
    if (!m.reasoning) return;
    if (!this.fold) {
      this.thinks = h('div', { class: 'md' });
      this.label = h('summary', {});
      this.fold = h('details', { class: 'thought' }, this.label, this.thinks);
      this.fold.addEventListener('toggle', () => this.thought());
      this.body.prepend(this.fold);
    }
    const now = m.finish === atWork && !m.content;
    const label = now ? 'Thinking' : 'Thoughts';
    if (this.label.textContent !== label) this.label.textContent = label;
    this.label.classList.toggle('wait', now);
    if (this.fold.open) show(this.thinks, m.reasoning);
  }

  actions() {
    const c = this.chat.open;
    const all = tree.siblings(c, this.id);
    const at = all.indexOf(this.id);
    const kids = [];
    if (all.length > 1) {
      const to = (n, name, label) => iconButton(name, label, () => this.turn(all[n]), { disabled: this.busy || !all[n] });
      kids.push(h('span', { class: 'branch' }, to(at - 1, 'left', 'The version before'), h('span', { 'aria-label': `Version ${at + 1} of ${all.length}` }, `${at + 1} / ${all.length}`), to(at + 1, 'right', 'The next version')));
    }
    if (this.m.finish !== atWork) {
      kids.push(this.copyButton());
      if (this.role === 'user') kids.push(iconButton('edit', 'Edit', () => this.edit(), { disabled: this.busy }));
      else kids.push(iconButton('again', 'Make another reply', () => this.chat.attempt(() => this.chat.regenerate(this.id)), { disabled: this.busy }));
      const note = this.role === 'assistant' && figuresOf(this.m);
      if (note) kids.push(h('span', { class: 'note' }, note));
    }
    this.acts.replaceChildren(...kids);
  }

  copyButton() {
    const button = iconButton('copy', 'Copy', async () => {
      await copy(this.m.content);
      button.replaceChildren(icon('done'));
      setTimeout(() => button.replaceChildren(icon('copy')), 1500);
    });
    return button;
  }

  async turn(id) {
    await this.chat.attempt(() => this.chat.turn(id));
    const turn = this.thread.turns.get(id);
    turn?.el.querySelector('.branch button:not(:disabled)')?.focus();
  }

  /** Why a reply is not whole, and what can be done. */
  trouble() {
    const { m } = this;
    const working = this.chat.working()?.id === this.id;
    const texts = { [stopped]: 'You stopped this reply.', [failed]: m.error, [atWork]: 'This reply was cut off.', length: 'The reply reached its longest length.' };
    const text = !working && this.role === 'assistant' && texts[m.finish];
    const isTip = this.chat.open.current === this.id;
    if (!text || (!isTip && m.finish !== failed)) {
      this.more.replaceChildren();
      return;
    }
    const button = (name, label, act) => h('button', { type: 'button', class: 'button', disabled: this.busy, onclick: () => this.chat.attempt(act) }, icon(name), label);
    const buttons = [];
    // What was thought before the text could not be read again as it was.
    if (isTip && m.content && !m.reasoning) buttons.push(button('go', 'Continue', () => this.chat.resume(this.id)));
    if (isTip && m.finish !== 'length') buttons.push(button('again', m.finish === failed && !m.content ? 'Try again' : 'Regenerate', () => this.chat.regenerate(this.id)));
    this.more.replaceChildren(h('div', { class: m.finish === failed ? 'trouble bad' : 'trouble', role: m.finish === failed ? 'alert' : null }, h('span', {}, text), ...buttons));
  }

  /** Shows the message in a field; sending it makes another branch. */
  edit() {
    if (this.busy || this.thread.editing) return;
    this.thread.editing = this;
    const area = h('textarea', { 'aria-label': 'Edit the message' });
    area.value = this.m.content;
    const end = () => {
      this.thread.editing = null;
      box.remove();
      this.body.hidden = this.acts.hidden = false;
    };
    const send = () => {
      const text = area.value.trim();
      if (!text || this.busy) return;
      const { parent } = this.m;
      end();
      byID('input').focus();
      this.thread.follows = true;
      this.chat.attempt(() => this.chat.send(text, parent));
    };
    const cancel = () => {
      end();
      (this.acts.querySelector('[aria-label="Edit"]') ?? byID('input')).focus();
    };
    const box = h('div', { class: 'editing' }, area, h('div', { class: 'buttons' },
      h('button', { type: 'button', class: 'button', onclick: cancel }, 'Cancel'),
      h('button', { type: 'button', class: 'button main', onclick: send }, 'Send')));
    box.addEventListener('keydown', (e) => {
      if (e.key === 'Escape') {
        e.stopPropagation();
        cancel();
      } else if (e.key === 'Enter' && !e.shiftKey && !e.isComposing && e.target === area) {
        e.preventDefault();
        send();
      }
    });
    this.body.hidden = this.acts.hidden = true;
    this.el.append(box);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }
}

function figuresOf(m) {
  const f = m.figures;
  if (!f?.made) return '';
  const parts = [f.made === 1 ? '1 token' : `${f.made.toLocaleString('en')} tokens`];
  if (f.speed > 0) parts.push(`${f.speed < 10 ? f.speed.toFixed(1) : Math.round(f.speed)} tok/s`);
  return parts.join(' · ');
}

