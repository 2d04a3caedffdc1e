/**
 * Markdown of replies as a tree of plain objects. HTML is text here, and so is a link to
 * anything but a web or mail address. The time is linear in the text's length, nearly, for
 * any text. Nothing here touches the page: render.js builds it.
 *
 * A node is a string, or `{tag, kids}`. `a` has `href`, `ol` has `start`, `td` and `th` have
 * `align`, `codeblock` has `lang` and `text`, `math` has `tex` and `display`.
 * @module
 */
import { inline } from './inline.js';

/** How deep quotes and lists may lie in each other. */
const deepest = 12;

const fence = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$/;
const rule = /^ {0,3}(?:(?:- *){3,}|(?:\* *){3,}|(?:_ *){3,})$/;
const quote = /^ {0,3}> ?/;
const item = /^( *)([-*+]|\d{1,9}[.)])( +|$)/;
const heading = /^ {0,3}(#{1,6})(?:[ \t]|$)/;
// Shorter ones, which CommonMark knows, are mostly the beginning of a list that still comes.
const underline = /^ {0,3}(={3,}|-{3,}) *$/;
const divider = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/**
 * The blocks of a text.
 * @param {string} text
 * @returns {object[]} nodes; each has `src`, the lines that it was made of
 */
export function parse(text) {
  return blocks(text.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n'), 0);
}

function blocks(lines, depth) {
  const out = [];
  for (let i = 0; i < lines.length; ) {
    if (lines[i].trim() === '') {
      i++;
      continue;
    }
    const [node, next] = block(lines, i, depth);
    node.src = lines.slice(i, next).join('\n');
    out.push(node);
    i = next;
  }
  return out;
}

/** The block that begins at a line, and the line behind it. */
function block(lines, i, depth) {
  const line = lines[i];
  let m;
  if ((m = fence.exec(line))) return codeBlock(lines, i, m);
  if ((m = heading.exec(line))) {
    const text = line.slice(m[0].length).trim().replace(/(^|[ \t])#+$/, '');
    return [{ tag: `h${m[1].length}`, kids: inline(text.trim()) }, i + 1];
  }
  if (rule.test(line)) return [{ tag: 'hr', kids: [] }, i + 1];
  if (/^ {0,3}(\$\$|\\\[)/.test(line)) {
    const made = mathBlock(lines, i);
    if (made) return made;
  }
  if (depth < deepest && quote.test(line)) return quoted(lines, i, depth);
  if (depth < deepest && item.test(line)) return list(lines, i, depth);
  if (line.includes('|') && i + 1 < lines.length && tableHead(line, lines[i + 1])) return table(lines, i);
  return paragraph(lines, i, depth);
}

/** Says whether a line begins something else than a paragraph. */
function begins(line, depth) {
  return fence.test(line) || heading.test(line) || rule.test(line) || (depth < deepest && (quote.test(line) || /^ {0,3}(?:[-*+]|1[.)]) +\S/.test(line))) || /^ {0,3}(\$\$|\\\[)/.test(line);
}

function paragraph(lines, i, depth) {
  let end = i + 1;
  while (end < lines.length && lines[end].trim() !== '') {
    const under = underline.exec(lines[end]);
    if (under) {
      return [{ tag: under[1][0] === '=' ? 'h1' : 'h2', kids: inline(joined(lines, i, end)) }, end + 1];
    }
    if (begins(lines[end], depth)) break;
    if (lines[end].includes('|') && end + 1 < lines.length && tableHead(lines[end], lines[end + 1])) break;
    end++;
  }
  return [{ tag: 'p', kids: inline(joined(lines, i, end)) }, end];
}

function joined(lines, from, to) {
  return lines.slice(from, to).map((l) => l.trim()).join('\n');
}

/** Code between fences; it goes to the end where the closing fence has not come yet. */
function codeBlock(lines, i, m) {
  const [mark, length] = [m[1][0], m[1].length];
  const indent = lines[i].length - lines[i].trimStart().length;
  const text = [];
  let end = i + 1;
  for (; end < lines.length; end++) {
    const t = lines[end].trim();
    if (t.length >= length && t === mark.repeat(t.length)) {
      end++;
      break;
    }
    text.push(lines[end].slice(Math.min(indent, lines[end].length - lines[end].trimStart().length)));
  }
  return [{ tag: 'codeblock', lang: m[2].trim().split(/\s/)[0].slice(0, 32), text: text.join('\n'), kids: [] }, end];
}

/** A formula on lines of its own, or null where it does not end. */
function mathBlock(lines, i) {
  const open = lines[i].trim().slice(0, 2);
  const close = open === '$$' ? '$$' : '\\]';
  let text = lines[i].trim().slice(2);
  for (let end = i; ; ) {
    const at = text.indexOf(close);
    if (at >= 0) {
      if (text.slice(at + 2).trim() !== '') return null;
      return [{ tag: 'math', tex: text.slice(0, at).trim(), display: true, kids: [] }, end + 1];
    }
    end++;
    if (end >= lines.length || end > i + 60) return null;
    text += `\n${lines[end]}`;
  }
}

function quoted(lines, i, depth) {
  const inner = [];
  let end = i;
  for (; end < lines.length; end++) {
    const m = quote.exec(lines[end]);
    if (m) {
      inner.push(lines[end].slice(m[0].length));
    } else if (lines[end].trim() !== '' && isText(inner.at(-1), depth) && !begins(lines[end], depth) && !inCode(inner)) {
      inner.push(lines[end]); // goes on without its mark
    } else {
      break;
    }
  }
  return [{ tag: 'blockquote', kids: blocks(inner, depth + 1) }, end];
}

/** Items of one kind, with what is indented below them. */
function list(lines, i, depth) {
  const first = item.exec(lines[i]);
  const base = first[1].length;
  const ordered = /\d/.test(first[2]);
  const kind = first[2].at(-1);
  const items = [];
  let loose = false;
  let end = i;
  while (end < lines.length) {
    const m = item.exec(lines[end]);
    if (!m || m[1].length > Math.max(3, base + 1) || m[2].at(-1) !== kind || rule.test(lines[end])) break;
    const width = m[1].length + m[2].length + (m[3].length > 4 || m[3] === '' ? 1 : m[3].length);
    const inner = [lines[end].slice(width)];
    let blank = false;
    for (end++; end < lines.length; end++) {
      const line = lines[end];
      const indent = line.length - line.trimStart().length;
      if (line.trim() === '') {
        blank = true;
        inner.push('');
      } else if (indent >= width || (indent > base + 1 && item.test(line))) {
        inner.push(line.slice(Math.min(indent, width)));
        if (blank) loose = true;
        blank = false;
      } else if (!blank && isText(inner.at(-1), depth) && !item.test(line) && !begins(line, depth)) {
        inner.push(line.trim()); // goes on without its indentation
      } else {
        break;
      }
    }
    const next = end < lines.length ? item.exec(lines[end]) : null;
    if (blank && next && next[1].length <= Math.max(3, base + 1) && next[2].at(-1) === kind) loose = true;
    items.push(blocks(inner, depth + 1));
  }
  const node = { tag: ordered ? 'ol' : 'ul', kids: items.map((kids) => ({ tag: 'li', kids: loose ? kids : tight(kids) })) };
  if (ordered) node.start = Number.parseInt(first[2], 10);
  return [node, end];
}

/** Says whether a line is one of a paragraph, perhaps behind the marks of lists and quotes. */
function isText(line, depth) {
  const rest = line.replace(/^(?: *(?:[-*+>]|\d{1,9}[.)])(?: +|$))+/, '');
  return rest.trim() !== '' && !begins(rest, depth);
}

/** Says whether lines end within code. */
function inCode(lines) {
  return lines.filter((l) => /^[\s>]*(?:`{3}|~{3})/.test(l)).length % 2 === 1;
}

/** The blocks of an item, whose paragraphs are plain text where nothing is set apart. */
function tight(kids) {
  return kids.flatMap((k) => (k.tag === 'p' ? k.kids : [k]));
}

function tableHead(line, below) {
  return below.includes('-') && below.includes('|') && divider.test(below) && cells(line).length === cells(below).length;
}

/** The cells of a row; a bar behind a backslash or in code does not part them. */
function cells(line) {
  const out = [''];
  let code = false;
  const text = line.trim().replace(/^\|/, '');
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '\\' && text[i + 1] === '|') {
      out[out.length - 1] += '|';
      i++;
    } else if (c === '|' && !code) {
      out.push('');
    } else {
      if (c === '`') code = !code && text.indexOf('`', i + 1) >= 0;
      out[out.length - 1] += c;
    }
  }
  if (out.at(-1).trim() === '' && out.length > 1) out.pop();
  return out.map((c) => c.trim());
}

function table(lines, i) {
  const align = cells(lines[i + 1]).map((c) => (c.endsWith(':') ? (c.startsWith(':') ? 'center' : 'right') : ''));
  const row = (line, tag) => {
    const list = cells(line);
    return { tag: 'tr', kids: align.map((a, n) => ({ tag, align: a, kids: inline(list[n] ?? '') })) };
  };
  const body = [];
  let end = i + 2;
  for (; end < lines.length && lines[end].trim() !== '' && lines[end].includes('|'); end++) body.push(row(lines[end], 'td'));
  const kids = [{ tag: 'thead', kids: [row(lines[i], 'th')] }];
  if (body.length > 0) kids.push({ tag: 'tbody', kids: body });
  return [{ tag: 'table', kids }, end];
}
