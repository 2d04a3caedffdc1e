/**
 * Puts the parts of the page together: keys, addresses, models, what happens when it goes.
 * @module
 */
import { onKey } from './api.js';
import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { askKey, askTitle, toast } from './dialogs.js';
import { byID, iconButton } from './dom.js';
import { Meter } from './meter.js';
import { settings } from './settings.js';
import { Sidebar, take } from './sidebar.js';
import { speak } from './speak.js';
import * as store from './store.js';
import { Thread } from './thread.js';

const lastModel = 'mil-model';

onKey(askKey);
const chat = new Chat();
const thread = new Thread(chat);
const composer = new Composer(chat, thread);
const sidebar = new Sidebar(chat);
const meter = new Meter(chat);
speak(chat);

let table = [];
let known = []; // models
const model = byID('model');
const title = byID('title');

const tools = byID('tools');
const set = iconButton('tune', 'Settings of this conversation', () => chat.attempt(async () => {
  if (table.length === 0) await learn();
  await settings(chat, table);
}));
const save = iconButton('save', 'Export this conversation', () => take(chat.open));
tools.append(set, save);

/** Shows the models, and the one of the conversation in view. */
function drawModel() {
  const want = chat.open.model;
  const all = want && !known.includes(want) ? [...known, want] : known;
  model.replaceChildren(...all.map((id) => new Option(known.includes(id) ? id : `${id} (not here)`, id, false, id === want)));
}

/** Reads the table of parameters, and what the model's context holds. */
async function learn() {
  const want = chat.open.model;
  const got = await store.parameters(known.includes(want) ? want : '');
  if (want !== chat.open.model) return;
  table = got.parameters;
  meter.setContext(got.model?.context ?? 0);
}

function drawTitle() {
  const text = chat.open.title || 'New conversation';
  title.textContent = text;
  document.title = chat.open.title ? `${text} – mil` : 'mil';
  save.disabled = chat.open.current === '';
  const at = chat.open.id ? `#/c/${chat.open.id}` : '#/';
  if (location.hash === at) return;
  if (location.hash === '') history.replaceState(null, '', at);
  else history.pushState(null, '', at);
}

model.addEventListener('change', () => {
  localStorage.setItem(lastModel, model.value);
  chat.attempt(async () => {
    await chat.change(chat.open, { model: model.value });
    await learn();
  });
});

title.addEventListener('dblclick', async () => {
  const text = chat.open.id && (await askTitle(chat.open.title));
  if (text) await chat.attempt(() => chat.rename(chat.open.id, text));
});

chat.addEventListener('trouble', ({ detail }) => toast(detail));
for (const type of ['open', 'named', 'title', 'thread']) chat.addEventListener(type, drawTitle);
chat.addEventListener('open', () => {
  if (!chat.open.model) chat.open.model = known.includes(localStorage.getItem(lastModel)) ? localStorage.getItem(lastModel) : (known[0] ?? '');
  drawModel();
  learn().catch(() => {});
});
chat.addEventListener('done', () => learn().catch(() => {}));

/** Opens the conversation that the address names. */
async function follow() {
  const id = /^#\/c\/([\w-]+)$/.exec(location.hash)?.[1];
  if (!id) {
    if (chat.open.id) chat.begin();
    return;
  }
  if (id === chat.open.id) return;
  await chat.attempt(async () => {
    try {
      await chat.show(id);
    } catch (err) {
      chat.begin();
      throw err;
    }
  });
}

addEventListener('popstate', follow);
addEventListener('pagehide', () => chat.leave());
addEventListener('pageshow', (e) => {
  if (e.persisted) location.reload();
});

addEventListener('keydown', (e) => {
  if (document.querySelector('dialog[open]')) return;
  const command = (e.ctrlKey || e.metaKey) && !e.altKey;
  if (command && !e.shiftKey && e.key.toLowerCase() === 'k') {
    e.preventDefault();
    sidebar.search();
  } else if (command && e.shiftKey && e.key.toLowerCase() === 'o') {
    e.preventDefault();
    sidebar.begin();
  } else if (e.key === 'Escape') {
    if (sidebar.closed()) return;
    if (chat.working()) composer.halt();
    else byID('input').focus();
  }
});

await chat.attempt(async () => {
  known = await store.models();
  await Promise.all([chat.refresh(), follow()]);
  if (!chat.open.id) chat.begin();
});
byID('input').focus({ preventScroll: true });
