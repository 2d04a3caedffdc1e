/**
 * Questions to the reader, and short messages.
 * @module
 */
import { byID, h } from './dom.js';

/** How long a message stays, in milliseconds. */
const stays = 8000;

/**
 * Shows a dialog until it is closed, and gives the focus back.
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>} what it was closed with
 */
export function ask(dialog) {
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** A form in a dialog that closes with the value of a field, or with "" when it is given up. */
function question(title, kids, field, ok) {
  const form = h('form', {}, h('h2', { id: 'question' }, title), ...kids,
    h('div', { class: 'buttons' },
      h('button', { type: 'button', class: 'button', onclick: () => dialog.close('') }, 'Cancel'),
      h('button', { type: 'submit', class: 'button main' }, ok)));
  const dialog = h('dialog', { 'aria-labelledby': 'question' }, form);
  form.addEventListener('submit', (e) => {
    e.preventDefault();
    dialog.close(field.value.trim());
  });
  dialog.addEventListener('cancel', () => {
    dialog.returnValue = '';
  });
  return ask(dialog);
}

/**
 * Asks for the key of the server.
 * @param {boolean} refused one was given and is wrong
 * @returns {Promise<?string>} null where it was not given
 */
export async function askKey(refused) {
  const field = h('input', { type: 'password', id: 'key', autocomplete: 'off', autofocus: true, required: true });
  const text = refused ? h('p', { class: 'bad', role: 'alert' }, 'The server does not know this key. Enter another one.') : h('p', {}, 'This server answers only with a key. Ask the person who started it. The key is kept until this tab is closed.');
  return (await question('Key of the server', [text, h('label', { for: 'key' }, 'Key'), field], field, 'Use key')) || null;
}

/** Asks for a title, and resolves with "" where it stays. */
export function askTitle(title) {
  const field = h('input', { id: 'name', autocomplete: 'off', autofocus: true, maxlength: '200' });
  field.value = title;
  setTimeout(() => field.select());
  return question('Rename the conversation', [h('label', { for: 'name' }, 'Title'), field], field, 'Rename');
}

/**
 * Shows a message at the foot of the page, and perhaps a button.
 * @param {string} text
 * @param {?string} label of the button
 * @param {?() => void} act what it does
 */
export function toast(text, label = null, act = null) {
  const all = byID('toasts');
  [...all.children].filter((el) => el.textContent.startsWith(text)).forEach((el) => el.remove());
  while (all.children.length > 2) all.firstChild.remove();
  const el = h('div', { class: 'toast' }, h('span', {}, text));
  const gone = () => el.remove();
  if (label) {
    el.append(h('button', { type: 'button', class: 'quiet', onclick: () => {
      gone();
      act();
    } }, label));
  }
  all.append(el);
  let timer = setTimeout(gone, stays);
  el.addEventListener('focusin', () => clearTimeout(timer));
  el.addEventListener('focusout', () => {
    timer = setTimeout(gone, stays);
  });
}
