// Tests of the page's reading of Markdown and formulas: node --test. What is expected
// is CommonMark's and GFM's, except where the page means to differ.
import assert from 'node:assert/strict';
import test from 'node:test';
import { inline, safeURL } from '../../../serve/page/inline.js';
import { parse } from '../../../serve/page/markdown.js';
import { formula } from '../../../serve/page/math.js';
import { sentenceEnd, spoken } from '../../../serve/page/speak.js';
import * as tree from '../../../serve/page/tree.js';

/** A node in short: tags with their attributes, and text as it is. */
function short(n) {
  if (typeof n === 'string') return n;
  const more = [n.href, n.start > 1 ? n.start : '', n.align, n.lang].filter(Boolean).join(' ');
  return `<${n.tag}${more ? ` ${more}` : ''}>${n.text ?? n.tex ?? ''}${n.kids.map(short).join('')}</${n.tag}>`;
}
const shown = (text) => parse(text).map(short).join('');

test('blocks', () => {
  for (const [text, want] of [
    ['# foo', '<h1>foo</h1>'],
    ['###### foo ##', '<h6>foo</h6>'],
    ['####### foo', '<p>####### foo</p>'],
    ['#5 bolt', '<p>#5 bolt</p>'],
    ['Foo *bar*\n===', '<h1>Foo <em>bar</em></h1>'],
    ['***\n---\n___', '<hr></hr><hr></hr><hr></hr>'],
    ['- foo\n***\n- bar', '<ul><li>foo</li></ul><hr></hr><ul><li>bar</li></ul>'],
    ['```go\na\n\n  b\n```\nc', '<codeblock go>a\n\n  b</codeblock><p>c</p>'],
    ['~~~~\na\n```\n~~~~', '<codeblock>a\n```</codeblock>'],
    ['```\nnot yet closed', '<codeblock>not yet closed</codeblock>'],
    ['> a\nb\n> > c', '<blockquote><p>a<br></br>b</p><blockquote><p>c</p></blockquote></blockquote>'],
    ['> a\n\nb', '<blockquote><p>a</p></blockquote><p>b</p>'],
    ['- a\n- b\n\n1. c\n2. d', '<ul><li>a</li><li>b</li></ul><ol><li>c</li><li>d</li></ol>'],
    ['- a\n\n- b', '<ul><li><p>a</p></li><li><p>b</p></li></ul>'],
    ['3) a\n4) b', '<ol 3><li>a</li><li>b</li></ol>'],
    ['- a\n  - b\n    - c\n- d', '<ul><li>a<ul><li>b<ul><li>c</li></ul></li></ul></li><li>d</li></ul>'],
    ['1. a\n   ```\n   x\n   ```\n2. b', '<ol><li>a<codeblock>x</codeblock></li><li>b</li></ol>'],
    ['| a | b |\n|---|:-:|\n| 1 | `x|y` |\n| 2 |', '<table><thead><tr><th>a</th><th center>b</th></tr></thead><tbody><tr><td>1</td><td center><code>x|y</code></td></tr><tr><td>2</td><td center></td></tr></tbody></table>'],
    ['a | b\nnone', '<p>a | b<br></br>none</p>'],
    ['<script>alert(1)</script>', '<p><script>alert(1)</script></p>'],
    ['a\n-', '<p>a<br></br>-</p>'], // a list that begins, in the middle of a stream
    ['$$\nx\n$$', '<math>x</math>'],
    ['\\[x\\]', '<math>x</math>'],
  ]) assert.equal(shown(text), want, text);
});

test('text', () => {
  for (const [text, want] of [
    ['*foo bar*', '<em>foo bar</em>'],
    ['a * foo bar*', 'a * foo bar*'],
    ['foo*bar*', 'foo<em>bar</em>'],
    ['foo_bar_', 'foo_bar_'],
    ['snake_case_name', 'snake_case_name'],
    ['**foo**bar', '<strong>foo</strong>bar'],
    ['***foo** bar*', '<em><strong>foo</strong> bar</em>'],
    ['*foo **bar** baz*', '<em>foo <strong>bar</strong> baz</em>'],
    ['**foo*bar**', '<strong>foo*bar</strong>'],
    ['**not closed', '**not closed'],
    ['~~gone~~ ~kept~', '<del>gone</del> ~kept~'],
    ['`foo`', '<code>foo</code>'],
    ['`` foo ` bar ``', '<code>foo ` bar</code>'],
    ['`*a*` *b*', '<code>*a*</code> <em>b</em>'],
    ['`not closed', '`not closed'],
    ['\\*not\\*', '*not*'],
    ['[a *b*](https://e.org/)', '<a https://e.org/>a <em>b</em></a>'],
    ['[a](https://e.org/x_(y) "title")', '<a https://e.org/x_(y)>a</a>'],
    ['[a](javascript:alert(1))', 'a'],
    ['[a](/etc/passwd) [b](#x)', 'a b'],
    ['![a](https://e.org/x.png)', '<a https://e.org/x.png>a</a>'],
    ['<https://e.org> <mailto:a@e.org>', '<a https://e.org/>https://e.org</a> <a mailto:a@e.org>mailto:a@e.org</a>'],
    ['(see https://e.org/a_(b)).', '(see <a https://e.org/a_(b)>https://e.org/a_(b)</a>).'],
    ['$x$ costs $5 and $10', '<math>x</math> costs $5 and $10'],
    ['\\(x\\)', '<math>x</math>'],
    ['a<br>b', 'a<br></br>b'],
  ]) assert.equal(inline(text).map(short).join(''), want, text);
});

test('addresses', () => {
  for (const bad of ['javascript:alert(1)', ' javascript:x', 'JAVASCRIPT:x', 'data:text/html,x', 'vbscript:x', '//e.org', '/x', 'x', 'file:///etc/passwd', 'blob:https://e.org/x', 'https://', 'java\nscript:x', '\u0000https://e.org'])
    assert.equal(safeURL(bad), null, bad);
  assert.equal(safeURL('HTTPS://E.org/"x'), 'https://e.org/%22x');
});

// Texts that make careless readers slow or overflow them are read in time that grows with their length.
test('hostile texts', () => {
  for (const one of ['[', '![](', '[a](', '`', '`a``', '*a', '**a', '***', '_a ', '~~', '$', '\\(', '\\[', '> ', '- ', '1. ', '- a\n', '|a', '|-|\n', '```\n', '<', 'https://', '(', '\\', '# ', '\n>', '$$', '\\frac{', '{', '*_'])
    assert.ok(parse(one.repeat(4000)).length > 0, one);
});

test('formulas', () => {
  const math = (tex) => short(formula(tex, false)).replace(/<\/?math>|<\/?mrow>/g, '');
  for (const [tex, want] of [
    ['x^2', '<msup><mi>x</mi><mn>2</mn></msup>'],
    ['a_i^2', '<msubsup><mi>a</mi><mi>i</mi><mn>2</mn></msubsup>'],
    ['\\frac{1}{2}', '<mfrac><mn>1</mn><mn>2</mn></mfrac>'],
    ['\\sqrt[3]{x}', '<mroot><mi>x</mi><mn>3</mn></mroot>'],
    ['\\alpha \\leq 3.5', '<mi>α</mi><mo>≤</mo><mn>3.5</mn>'],
    ['\\text{if } x', '<mtext>if</mtext><mi>x</mi>'],
    ['\\unknown{x}', '<mtext>\\unknown</mtext><mi>x</mi>'],
    ['\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}', '<mo>(</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd><mn>3</mn></mtd><mtd><mn>4</mn></mtd></mtr></mtable><mo>)</mo>'],
  ]) assert.equal(math(tex), want, tex);
  for (const tex of ['{'.repeat(500), 'x'.repeat(3000), '\\end{x}']) assert.equal(formula(tex, true), null);
  for (const tex of ['', '^', '_', '\\', '\\frac', '\\left', '\\begin', '}', '&', '\\sqrt[', '\\begin{x}']) formula(tex, true); // none throws
});

test('reading out', () => {
  assert.equal(sentenceEnd('One. Two', 0), 4);
  assert.equal(sentenceEnd('It is 3.5 now', 0), 0);
  assert.equal(sentenceEnd('He said "no." Then', 0), 13);
  assert.equal(sentenceEnd('One. Two. Th', 4), 9);
  assert.equal(spoken('**Bold** [link](https://e.org) `code`'), 'Bold link code');
});

test('branches', () => {
  const c = { messages: {}, current: '' };
  const a = tree.add(c, null, { role: 'user', content: 'a' });
  const b = tree.add(c, a, { role: 'assistant', content: 'b' });
  const b2 = tree.add(c, a, { role: 'assistant', content: 'b2' });
  const d = tree.add(c, b2, { role: 'user', content: 'd' });
  assert.deepEqual(tree.path(c), [a, b2, d]);
  assert.deepEqual(tree.siblings(c, b), [b, b2]);
  assert.deepEqual(tree.path(c, b), [a, b]);
  assert.equal(tree.tip(c, a), d);
  assert.equal(tree.tip(c, b), b);
  c.messages[a].parent = d; // a ring, as a bad file may have it
  assert.equal(tree.path(c).length, 3);
  tree.tip(c, a);
  assert.equal(tree.titleOf('\n## The first line of it\nmore'), 'The first line of it');
  assert.equal(tree.titleOf('word '.repeat(30)).length <= 49, true);
});
