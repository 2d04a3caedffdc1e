/**
 * The system prompt and the parameters of a conversation's replies. The server says which
 * there are, so the page lists what the engine has.
 * @module
 */
import { ask } from './dialogs.js';
import { h, iconButton } from './dom.js';

/**
 * Reads a value that was typed.
 * @param {object} p a line of the server's table
 * @param {string} text
 * @returns {*} undefined for none of its own
 * @throws {Error} where the parameter cannot have it
 */
export function valueOf(p, text) {
  const t = text.trim();
  if (t === '') return undefined;
  if (p.type === 'texts') return text.split('\n').filter(Boolean);
  const n = Number(t.replace(',', '.'));
  const whole = p.type !== 'number';
  if (!Number.isFinite(n) || (whole && !/^\d+$/.test(t)) || n < p.low || (p.high !== null && n > p.high)) throw new Error(`${p.name} is ${p.values}`);
  return n;
}

/**
 * Shows the settings of the conversation in view, and keeps them when they are closed.
 * @param {import('./chat.js').Chat} chat
 * @param {object[]} table the server's parameters
 */
export async function settings(chat, table) {
  const c = chat.open;
  const params = { ...c.settings.params };
  const system = h('textarea', { id: 'system', rows: '6', placeholder: 'How the model should answer' });
  system.value = c.settings.system ?? '';
  const fields = table.map((p) => field(p, params));
  const dialog = h('dialog', { class: 'panel', 'aria-labelledby': 'settings' },
    h('div', { class: 'top' }, h('h2', { id: 'settings' }, 'Settings of this conversation'), iconButton('close', 'Close', () => dialog.close())),
    h('div', { class: 'field' }, h('label', { for: 'system' }, 'System prompt'), system, h('small', {}, 'It stands before the first message.')),
    ...fields,
    h('div', { class: 'buttons' }, h('button', { type: 'button', class: 'button', onclick: () => reset(system, fields, params) }, 'Reset all')));
  dialog.addEventListener('click', (e) => {
    if (e.target === dialog && e.clientX < dialog.getBoundingClientRect().left) dialog.close();
  });
  await ask(dialog);
  const now = {};
  if (system.value.trim()) now.system = system.value.trim();
  if (Object.keys(params).length > 0) now.params = params;
  if (JSON.stringify(now) !== JSON.stringify(c.settings)) await chat.attempt(() => chat.change(c, { settings: now }));
}

function reset(system, fields, params) {
  system.value = '';
  for (const name of Object.keys(params)) delete params[name];
  for (const el of fields) {
    const input = el.querySelector('input, textarea');
    input.value = '';
    input.dispatchEvent(new Event('input'));
  }
}

function field(p, params) {
  const id = `param-${p.json}`;
  const several = p.type === 'texts';
  const own = p.default === undefined || p.default === null ? 'the model’s own' : String(p.default);
  const input = several ? h('textarea', { id, rows: '2', 'aria-describedby': `${id}-help` })
    : h('input', { id, inputmode: p.type === 'number' ? 'decimal' : 'numeric', autocomplete: 'off', placeholder: own, 'aria-describedby': `${id}-help` });
  const value = params[p.json];
  if (value !== undefined) input.value = several ? [value].flat().join('\n') : String(value);
  const about = helpOf(p);
  const help = h('small', { id: `${id}-help` }, several ? `${about} One a line.` : about);
  input.addEventListener('input', () => {
    try {
      const v = valueOf(p, input.value);
      if (v === undefined) delete params[p.json];
      else params[p.json] = v;
      input.classList.remove('wrong');
      input.removeAttribute('aria-invalid');
    } catch {
      delete params[p.json];
      input.classList.add('wrong');
      input.setAttribute('aria-invalid', 'true');
    }
  });
  return h('div', { class: 'field' }, h('label', { for: id }, label(p.name)), input, help);
}

/** The help of a parameter without what is about flags. */
function helpOf(p) {
  const parts = p.help.split('; ').filter((t) => !t.includes('--') && !t.includes('several times'));
  return sentence(parts.join('; ') || p.values);
}

function label(name) {
  const text = { temp: 'temperature' }[name] ?? name.replaceAll('-', ' ');
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
