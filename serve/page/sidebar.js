/**
 * The list of conversations: search, rename, remove, bring in and take out.
 * @module
 */
import { askTitle, toast } from './dialogs.js';
import { byID, h, icon, iconButton } from './dom.js';
import * as store from './store.js';

const narrow = matchMedia('(max-width: 50rem)');

export class Sidebar {
  /** @param {import('./chat.js').Chat} chat */
  constructor(chat) {
    this.chat = chat;
    this.side = byID('side');
    this.find = byID('find');
    byID('new').prepend(icon('plus'));
    byID('new').addEventListener('click', () => this.begin());
    this.find.addEventListener('input', () => this.draw());
    this.find.addEventListener('keydown', (e) => this.key(e));
    this.file = h('input', { type: 'file', accept: 'application/json,.json', multiple: true, class: 'unseen', tabindex: '-1', 'aria-label': 'File of conversations', onchange: () => this.bring() });
    byID('foot').append(this.file,
      h('button', { type: 'button', class: 'quiet small', onclick: () => this.file.click() }, icon('open'), 'Import'),
      h('button', { type: 'button', class: 'quiet small', onclick: () => chat.attempt(() => this.takeAll()) }, icon('save'), 'Export all'),
      h('span', { class: 'grow' }), iconButton('theme', 'Switch between light and dark', switchTheme));
    this.menu = iconButton('menu', 'Conversations', () => this.slide(true), { 'aria-expanded': 'false', 'aria-controls': 'side' });
    this.menu.classList.add('narrow');
    byID('title').before(this.menu);
    const close = iconButton('close', 'Close the list', () => this.slide(false));
    close.classList.add('narrow');
    document.querySelector('.brand').append(close);
    byID('veil').addEventListener('click', () => this.slide(false));
    byID('list').addEventListener('keydown', (e) => this.arrows(e));
    for (const type of ['list', 'open', 'named', 'done']) chat.addEventListener(type, () => this.draw());
    narrow.addEventListener('change', () => this.slide(false, false));
    this.slide(false, false);
  }

  /** Slides the list in or out where the screen is narrow. */
  slide(out, focus = true) {
    this.side.classList.toggle('out', out);
    this.menu.setAttribute('aria-expanded', String(out));
    byID('veil').hidden = !out || !narrow.matches;
    byID('page').inert = out && narrow.matches;
    if (focus && narrow.matches) (out ? byID('new') : this.menu).focus();
  }

  /** Says whether it was open over the page, and closes it. */
  closed() {
    if (!narrow.matches || !this.side.classList.contains('out')) return false;
    this.slide(false);
    return true;
  }

  search() {
    if (narrow.matches) this.slide(true, false);
    this.find.focus();
    this.find.select();
  }

  begin() {
    this.chat.begin();
    this.slide(false, false);
    byID('input').focus();
  }

  async go(id) {
    await this.chat.attempt(() => this.chat.show(id));
    if (narrow.matches) this.slide(false);
  }

  found() {
    const words = this.find.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    return this.chat.heads.filter((c) => words.every((w) => (c.title || 'Untitled').toLocaleLowerCase().includes(w)));
  }

  /** Enter opens the first that was found, or begins a new one where nothing is searched for. */
  key(e) {
    if (e.key === 'Enter') {
      e.preventDefault();
      const [first] = this.found();
      if (this.find.value.trim() === '') this.begin();
      else if (first) this.go(first.id).then(() => byID('input').focus());
    } else if (e.key === 'ArrowDown') {
      e.preventDefault();
      byID('list').querySelector('.open')?.focus();
    } else if (e.key === 'Escape' && this.find.value !== '') {
      e.stopPropagation();
      this.find.value = '';
      this.draw();
    }
  }

  arrows(e) {
    if (e.key !== 'ArrowDown' && e.key !== 'ArrowUp') return;
    const all = [...byID('list').querySelectorAll('.open')];
    const at = all.indexOf(e.target.closest('li')?.querySelector('.open'));
    const next = all[at + (e.key === 'ArrowDown' ? 1 : -1)] ?? (e.key === 'ArrowUp' ? this.find : null);
    next?.focus();
    e.preventDefault();
  }

  draw() {
    const list = byID('list');
    const focus = list.contains(document.activeElement) ? document.activeElement : null;
    const place = focus?.closest('li')?.dataset.id;
    const label = focus?.getAttribute('aria-label');
    const found = this.found();
    const parts = [];
    let last = '';
    for (const c of found) {
      const day = dayOf(c.updated_at);
      if (day !== last) parts.push(h('h2', {}, day), h('ul', {}));
      last = day;
      parts.at(-1).append(this.line(c));
    }
    if (found.length === 0) parts.push(h('p', { class: 'none' }, this.chat.heads.length > 0 ? 'No title has these words.' : 'Conversations will be listed here.'));
    list.replaceChildren(...parts);
    if (place) {
      const li = [...list.querySelectorAll('li')].find((el) => el.dataset.id === place);
      const to = li && [...li.querySelectorAll('button')].find((b) => b.getAttribute('aria-label') === label);
      (to ?? li?.querySelector('.open') ?? byID('new')).focus();
    }
  }

  line(c) {
    const title = c.title || 'Untitled';
    const now = c.id === this.chat.open.id;
    const live = [...this.chat.live.keys()].some((one) => one.id === c.id);
    return h('li', { class: [now && 'now', live && 'live'].filter(Boolean).join(' ') || null, 'data-id': c.id },
      h('button', { type: 'button', class: 'open', title, 'aria-current': now ? 'page' : null, onclick: () => this.go(c.id) }, title, live && h('span', { class: 'unseen' }, ', a reply is being made')),
      h('span', { class: 'acts' },
        iconButton('edit', `Rename ${title}`, () => this.rename(c)),
        iconButton('trash', `Delete ${title}`, () => this.remove(c))));
  }

  async rename(c) {
    const title = await askTitle(c.title);
    if (title && title !== c.title) await this.chat.attempt(() => this.chat.rename(c.id, title));
  }

  async remove(c) {
    await this.chat.attempt(async () => {
      const back = await this.chat.remove(c.id);
      toast('The conversation was deleted.', 'Undo', () => this.chat.attempt(back));
    });
  }

  /** Puts the conversations of files on the server. */
  async bring() {
    const files = [...this.file.files];
    this.file.value = '';
    await this.chat.attempt(async () => {
      let made = null;
      let n = 0;
      for (const file of files) {
        for (const c of await conversationsOf(file)) {
          made = await store.create(store.portable(c));
          n++;
        }
      }
      await this.chat.refresh();
      if (made) await this.go(made.id);
      toast(n === 1 ? 'One conversation was imported.' : `${n} conversations were imported.`);
    });
  }

  async takeAll() {
    const all = [];
    for (const head of this.chat.heads) all.push(store.portable(await store.read(head.id)));
    if (all.length === 0) toast('There is no conversation to export yet.');
    else download('mil-conversations.json', { mil: 'conversations', conversations: all });
  }
}

/** Saves a conversation as a file. */
export function take(c) {
  const name = (c.title || 'conversation').normalize('NFKD').replace(/[^A-Za-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60) || 'conversation';
  download(`${name}.json`, { mil: 'conversations', conversations: [store.portable(c)] });
}

function download(name, value) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(value, null, 1)], { type: 'application/json' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** The conversations of a file that was exported. */
async function conversationsOf(file) {
  let value;
  try {
    value = JSON.parse(await file.text());
  } catch {
    value = null;
  }
  const list = Array.isArray(value?.conversations) ? value.conversations : value?.messages ? [value] : [];
  if (list.length === 0 || list.some((c) => !c || typeof c.messages !== 'object')) {
    toast(`${file.name} holds no conversations. Choose a file that this page exported.`);
    return [];
  }
  return list;
}

function dayOf(seconds) {
  const at = new Date(seconds * 1000);
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const days = (midnight - at) / 86400000;
  if (days <= 0) return 'Today';
  if (days <= 1) return 'Yesterday';
  if (days <= 7) return 'Last 7 days';
  return at.toLocaleDateString(undefined, { month: 'long', year: 'numeric' });
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  localStorage.setItem('mil-theme', root.dataset.theme);
}
