/**
 * The tree of a conversation's messages. A conversation has `messages`, an object of
 * messages by their ids, and `current`, the id that ends the branch in view. A message
 * names the one before it as `parent`, null for a beginning. Nothing here touches the page.
 * @module
 */

/** @returns {string} a new random id of a message */
export function newID() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/**
 * The ids from the beginning to a message.
 * @param {object} c conversation
 * @param {string} [id] the last message; the current one if it is left out
 * @returns {string[]}
 */
export function path(c, id = c.current) {
  const ids = [];
  const seen = new Set();
  for (let at = id; at && c.messages[at] && !seen.has(at); at = c.messages[at].parent) {
    seen.add(at);
    ids.push(at);
  }
  return ids.reverse();
}

/**
 * The ids of the messages behind one, the oldest first.
 * @param {object} c conversation
 * @param {?string} parent null for the beginnings
 */
export function children(c, parent) {
  return Object.keys(c.messages)
    .filter((id) => (c.messages[id].parent ?? null) === (parent ?? null))
    .sort((a, b) => (c.messages[a].created ?? 0) - (c.messages[b].created ?? 0) || (a < b ? -1 : 1));
}

/** The ids of the other messages at a message's place and its own, the oldest first. */
export function siblings(c, id) {
  return children(c, c.messages[id]?.parent ?? null);
}

/** The id of the last message behind one, along the newest at each place. */
export function tip(c, id) {
  const seen = new Set();
  for (let at = id; ; ) {
    seen.add(at);
    const next = children(c, at).pop();
    if (!next || seen.has(next)) return at;
    at = next;
  }
}

/**
 * Adds a message behind another one, and makes it the current one.
 * @returns {string} its id
 */
export function add(c, parent, message) {
  const id = newID();
  const last = children(c, parent).map((other) => c.messages[other].created ?? 0);
  c.messages[id] = { parent: parent ?? null, created: Math.max(Date.now(), ...last.map((t) => t + 1)), ...message };
  c.current = id;
  return id;
}

/** A title made of a message: its first line, cut at a word. */
export function titleOf(text, most = 48) {
  const line = text.split('\n').map((l) => l.replace(/^[#>*\s-]+/, '').trim()).find(Boolean) ?? '';
  const letters = Array.from(line);
  if (letters.length <= most) return line;
  const cut = letters.slice(0, most).join('');
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), most / 2)).trimEnd()}…`;
}
