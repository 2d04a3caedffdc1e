/**
 * Builds what markdown.js and math.js read out of a text. Only the elements and
 * attributes that are named here ever come of a reply.
 * @module
 */
import { copy, h, icon } from './dom.js';
import { safeURL } from './inline.js';
import { parse } from './markdown.js';
import { formula } from './math.js';

// A reply's headings stand below those of the page.
const headings = { h1: 'h3', h2: 'h4', h3: 'h5', h4: 'h6', h5: 'h6', h6: 'h6' };
const plain = new Set(['p', 'hr', 'blockquote', 'ul', 'li', 'thead', 'tbody', 'tr', 'br', 'code', 'em', 'strong', 'del']);
const mathML = new Set(['math', 'mrow', 'mi', 'mn', 'mo', 'mtext', 'mspace', 'mfrac', 'msqrt', 'mroot', 'msub', 'msup', 'msubsup', 'munder', 'mover', 'munderover', 'mtable', 'mtr', 'mtd']);

function build(n) {
  if (typeof n === 'string') return document.createTextNode(n);
  const kids = () => n.kids.map(build);
  if (headings[n.tag]) return h(headings[n.tag], { class: n.tag }, ...kids());
  if (plain.has(n.tag)) return h(n.tag, {}, ...kids());
  switch (n.tag) {
    case 'a': {
      const href = safeURL(n.href);
      return href ? h('a', { href, rel: 'noopener noreferrer nofollow', target: '_blank' }, ...kids()) : h('span', {}, ...kids());
    }
    case 'ol':
      return h('ol', { start: n.start === 1 ? null : String(n.start) }, ...kids());
    case 'th':
    case 'td':
      return h(n.tag, { class: n.align || null, scope: n.tag === 'th' ? 'col' : null }, ...kids());
    case 'table':
      // It scrolls on its own where it is wide, also by keys.
      return h('div', { class: 'table', tabindex: '0', role: 'group', 'aria-label': 'Table' }, h('table', {}, ...kids()));
    case 'codeblock':
      return codeBlock(n);
    case 'math':
      return math(n);
    default:
      return document.createTextNode('');
  }
}

function codeBlock(n) {
  const name = n.lang || 'text';
  const button = h('button', { type: 'button', class: 'quiet small' }, icon('copy'), 'Copy');
  button.addEventListener('click', async () => {
    await copy(n.text);
    button.replaceChildren(icon('done'), 'Copied');
    setTimeout(() => button.replaceChildren(icon('copy'), 'Copy'), 1500);
  });
  return h('figure', { class: 'code' },
    h('figcaption', {}, h('span', {}, name), button),
    h('pre', { tabindex: '0', role: 'group', 'aria-label': `Code, ${name}` }, h('code', {}, n.text)));
}

function math(n) {
  const tree = formula(n.tex, n.display);
  const el = tree ? element(tree) : h('code', {}, n.tex);
  return n.display ? h('div', { class: 'formula', tabindex: '0', role: 'group', 'aria-label': 'Formula' }, el) : el;
}

function element(n) {
  if (typeof n === 'string') return document.createTextNode(n);
  const el = document.createElementNS('http://www.w3.org/1998/Math/MathML', mathML.has(n.tag) ? n.tag : 'mrow');
  if (n.display) el.setAttribute('display', 'block');
  if (n.accent) el.setAttribute('accent', 'true');
  if (n.width) el.setAttribute('width', n.width);
  if (n.line) el.setAttribute('linethickness', n.line);
  el.append(...n.kids.map(element));
  return el;
}

/**
 * Shows a text in an element. Blocks that are there already stay, so that selections and
 * the reader's place in them do, too.
 * @param {HTMLElement} into
 * @param {string} text Markdown
 */
export function show(into, text) {
  const nodes = parse(text);
  const before = into.shown ?? [];
  let same = 0;
  while (same < nodes.length && same < before.length && nodes[same].src === before[same] && nodes[same].tag === into.children[same]?.mark) same++;
  while (into.children.length > same) into.lastChild.remove();
  for (const n of nodes.slice(same)) {
    const el = build(n);
    el.mark = n.tag;
    into.append(el);
  }
  into.shown = nodes.map((n) => n.src);
}
