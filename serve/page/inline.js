/**
 * Markdown within a paragraph: emphasis, code, links, formulas. See markdown.js for nodes.
 * @module
 */

/** How many kinds of emphasis may be open at once; more are text. */
const deepest = 32;

const spaces = /\s/;
const punctuation = /[\p{P}\p{S}]/u;
const word = /[\p{L}\p{N}]/u;

/**
 * A web or mail address in its full form, or null for anything else.
 * @param {string} text
 * @returns {?string}
 */
export function safeURL(text) {
  if (!/^(https?:\/\/|mailto:)/i.test(text)) return null;
  try {
    const url = new URL(text);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * The nodes of a text.
 * @param {string} text
 * @param {boolean} [links] false within a link
 */
export function inline(text, links = true) {
  const s = new Stack();
  const brackets = links ? matching(text) : null;
  const ticks = runs(text, '`');
  for (let i = 0; i < text.length; ) {
    i = code(text, i, s, ticks) || math(text, i, s) || (links && link(text, i, s, brackets)) || emphasis(text, i, s) || plain(text, i, s);
  }
  return s.end();
}

/** Collects nodes within emphasis that is open. */
class Stack {
  constructor() {
    this.frames = [{ mark: '', n: 0, kids: [] }];
  }

  get top() {
    return this.frames.at(-1);
  }

  text(t) {
    const kids = this.top.kids;
    if (typeof kids.at(-1) === 'string') kids[kids.length - 1] += t;
    else kids.push(t);
  }

  push(node) {
    if (typeof node === 'string') this.text(node);
    else this.top.kids.push(node);
  }

  /** @param {boolean} both the marks could also close */
  open(mark, n, both) {
    this.frames.push({ mark, n, whole: n, both, kids: [] });
  }

  /** Makes the innermost open emphasis text. */
  drop() {
    const f = this.frames.pop();
    this.text(f.mark.repeat(f.n));
    f.kids.forEach((k) => this.push(k));
  }

  /** Closes emphasis by up to n marks, and returns those that are left. */
  close(mark, n, both) {
    const whole = n;
    // CommonMark's rule of three keeps the marks in **a*b** apart.
    const fits = (f) => f.mark === mark && !((f.both || both) && (f.whole + whole) % 3 === 0 && (f.whole % 3 !== 0 || whole % 3 !== 0));
    while (n > 0 && this.frames.some(fits)) {
      while (!fits(this.top)) this.drop();
      const f = this.top;
      const k = Math.min(f.n, n, 2);
      const node = { tag: mark === '~' ? 'del' : k === 2 ? 'strong' : 'em', kids: f.kids };
      f.n -= k;
      n -= k;
      if (f.n > 0) {
        f.kids = [node];
      } else {
        this.frames.pop();
        this.push(node);
      }
    }
    return n;
  }

  end() {
    while (this.frames.length > 1) this.drop();
    return this.top.kids;
  }
}

/** For each `[` that has its `]`, where that is. */
function matching(text) {
  const at = new Map();
  const open = [];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '[') open.push(i);
    else if (text[i] === ']' && open.length > 0) at.set(open.pop(), i);
  }
  return at;
}

/** The places of runs of a mark, by their length, in order. */
function runs(text, mark) {
  const by = new Map();
  for (let i = text.indexOf(mark); i >= 0; i = text.indexOf(mark, i)) {
    let n = 1;
    while (text[i + n] === mark) n++;
    if (!by.has(n)) by.set(n, { list: [], at: 0 }); // at is the first that may still be ahead
    by.get(n).list.push(i);
    i += n;
  }
  return by;
}

function code(text, i, s, ticks) {
  if (text[i] !== '`') return 0;
  let n = 1;
  while (text[i + n] === '`') n++;
  const { list, at } = ticks.get(n);
  let next = at;
  while (list[next] <= i) next++;
  ticks.get(n).at = next;
  if (next === list.length) {
    s.text('`'.repeat(n));
    return i + n;
  }
  let inner = text.slice(i + n, list[next]).replaceAll('\n', ' ');
  if (inner.startsWith(' ') && inner.endsWith(' ') && inner.trim() !== '') inner = inner.slice(1, -1);
  s.push({ tag: 'code', kids: [inner] });
  return list[next] + n;
}

/** `$x$` as pandoc reads it, `$$x$$` and `\(x\)`. */
function math(text, i, s) {
  const two = text.slice(i, i + 2);
  const close = two === '\\(' ? '\\)' : two === '$$' ? '$$' : text[i] === '$' ? '$' : '';
  if (!close) return 0;
  const from = i + close.length;
  const end = from + text.slice(from, from + 1000).indexOf(close);
  if (end <= from) return 0;
  const tex = text.slice(from, end);
  if (close === '$' && (spaces.test(tex[0]) || spaces.test(tex.at(-1)) || tex.at(-1) === '\\' || /\d/.test(text[end + 1] ?? ''))) return 0;
  s.push({ tag: 'math', tex: tex.trim(), display: close === '$$', kids: [] });
  return end + close.length;
}

/** `[text](address)`, `![text](address)` as a link, `<address>`, and a bare address. */
function link(text, i, s, brackets) {
  const image = text[i] === '!' && text[i + 1] === '[';
  const open = image ? i + 1 : i;
  if (text[open] === '[') {
    const end = brackets.get(open);
    if (end === undefined || text[end + 1] !== '(') return 0;
    const m = /^\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\s*\)/.exec(text.slice(end + 1, end + 2500));
    if (!m) return 0;
    const href = safeURL(m[1]);
    const kids = inline(text.slice(open + 1, end), false);
    if (href) s.push({ tag: 'a', href, kids: kids.length > 0 ? kids : [m[1]] });
    else kids.forEach((k) => s.push(k));
    return end + 1 + m[0].length;
  }
  const angle = text[i] === '<' ? 1 : 0;
  if (!angle && (text[i] !== 'h' || word.test(text[i - 1] ?? ''))) return 0;
  const m = /^(?:https?:\/\/|mailto:)[^\s<>"`|*]+/i.exec(text.slice(i + angle, i + 2500));
  if (!m) return 0;
  let shown = m[0];
  if (!angle) {
    shown = shown.replace(/[.,;:!?'\]}]+$/, '');
    while (shown.endsWith(')') && shown.split(')').length > shown.split('(').length) shown = shown.slice(0, -1);
  } else if (text[i + 1 + shown.length] !== '>') {
    return 0;
  }
  const href = safeURL(shown);
  if (!href) return 0;
  s.push({ tag: 'a', href, kids: [shown] });
  return i + shown.length + 2 * angle;
}

function emphasis(text, i, s) {
  const mark = text[i];
  if (mark !== '*' && mark !== '_' && mark !== '~') return 0;
  let n = 1;
  while (text[i + n] === mark) n++;
  const before = text[i - 1] ?? ' ';
  const behind = text[i + n] ?? ' ';
  const left = !spaces.test(behind) && (!punctuation.test(behind) || spaces.test(before) || punctuation.test(before));
  const right = !spaces.test(before) && (!punctuation.test(before) || spaces.test(behind) || punctuation.test(behind));
  const opens = left && (mark !== '_' || !word.test(before)) && (mark !== '~' || n === 2);
  const closes = right && (mark !== '_' || !word.test(behind)) && (mark !== '~' || n === 2);
  let rest = n;
  if (closes) rest = s.close(mark, rest, opens);
  if (rest > 0 && opens && rest <= 3 && s.frames.length < deepest) s.open(mark, rest, closes);
  else if (rest > 0) s.text(mark.repeat(rest));
  return i + n;
}

/** Everything else: escapes, breaks, and text up to the next character that may mean more. */
function plain(text, i, s) {
  if (text[i] === '\\' && /[!-/:-@[-`{-~]/.test(text[i + 1] ?? '')) {
    s.text(text[i + 1]);
    return i + 2;
  }
  if (text[i] === '\n') {
    s.push({ tag: 'br', kids: [] });
    return i + 1;
  }
  const m = /^<br ?\/?>\n?/i.exec(text.slice(i, i + 7));
  if (m) {
    s.push({ tag: 'br', kids: [] });
    return i + m[0].length;
  }
  let end = i + 1;
  while (end < text.length && !/[\\`$![<h*_~\n]/.test(text[end])) end++;
  s.text(text.slice(i, end));
  return end;
}
