/**
 * Formulas as MathML, from the part of TeX that replies use. What is not known is shown
 * as it was written. Nodes are those of markdown.js. Nothing here touches the page.
 * @module
 */

/** Longer formulas, and groups that lie deeper, are shown as text. */
const longest = 2000;
const deepest = 24;

const letters = 'alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ vartheta ϑ iota ι kappa κ lambda λ mu μ nu ν xi ξ pi π rho ρ sigma σ tau τ upsilon υ phi ϕ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω infty ∞ partial ∂ nabla ∇ ell ℓ hbar ℏ emptyset ∅ varnothing ∅ Re ℜ Im ℑ aleph ℵ dots … ldots … cdots ⋯ vdots ⋮ ddots ⋱ prime ′ circ ∘ degree °';
const operators = 'cdot ⋅ times × div ÷ pm ± mp ∓ ast ∗ star ⋆ leq ≤ le ≤ geq ≥ ge ≥ neq ≠ ne ≠ approx ≈ equiv ≡ sim ∼ simeq ≃ cong ≅ propto ∝ ll ≪ gg ≫ in ∈ notin ∉ ni ∋ subset ⊂ subseteq ⊆ supset ⊃ supseteq ⊇ cup ∪ cap ∩ setminus ∖ land ∧ wedge ∧ lor ∨ vee ∨ neg ¬ lnot ¬ forall ∀ exists ∃ to → rightarrow → leftarrow ← gets ← Rightarrow ⇒ implies ⇒ Leftarrow ⇐ iff ⇔ Leftrightarrow ⇔ leftrightarrow ↔ mapsto ↦ uparrow ↑ downarrow ↓ sum ∑ prod ∏ int ∫ iint ∬ oint ∮ bigcup ⋃ bigcap ⋂ oplus ⊕ otimes ⊗ perp ⊥ parallel ∥ mid ∣ angle ∠ langle ⟨ rangle ⟩ lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ therefore ∴ because ∵ vert | Vert ‖ colon :';
const functions = 'sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim max min sup inf det dim ker arg gcd deg Pr mod argmax argmin';
const table = (text, tag) => text.split(' ').reduce((all, w, i, list) => (i % 2 ? all : all.set(w, { tag, text: list[i + 1] })), new Map());
const known = new Map([...table(letters, 'mi'), ...table(operators, 'mo')]);
const named = new Set(functions.split(' '));
const limits = new Set('∑∏⋃⋂'.split('').concat(['lim', 'max', 'min', 'sup', 'inf', 'argmax', 'argmin']));
const accents = new Map(Object.entries({ hat: '^', widehat: '^', bar: '¯', overline: '¯', vec: '→', tilde: '~', dot: '˙', ddot: '¨' }));
const widths = new Map(Object.entries({ ',': '0.17em', ':': '0.22em', ';': '0.28em', ' ': '0.3em', quad: '1em', qquad: '2em' }));
const doubled = new Map(Object.entries({ R: 'ℝ', N: 'ℕ', Z: 'ℤ', Q: 'ℚ', C: 'ℂ', P: 'ℙ', E: '𝔼' }));
const fences = new Map(Object.entries({ pmatrix: '()', bmatrix: '[]', vmatrix: '||', cases: '{' }));
const texts = new Set(['text', 'mathrm', 'textrm', 'textbf', 'textit', 'operatorname', 'mathbf', 'boldsymbol', 'mathit', 'mathcal', 'mathsf']);

/**
 * The tree of a formula, or null where it is shown as text.
 * @param {string} tex
 * @param {boolean} display on a line of its own
 */
export function formula(tex, display) {
  if (tex.length > longest) return null;
  const tokens = tex.match(/\\[A-Za-z]+\*?|\\[^]|[0-9]+(?:\.[0-9]+)?|\s+|[^]/g) ?? [];
  const p = { tokens: tokens.filter((t) => t.trim() !== '' || t.startsWith('\\')), i: 0, depth: 0, display };
  try {
    return { tag: 'math', display, kids: [row(p, () => false)] };
  } catch {
    return null;
  }
}

const node = (tag, ...kids) => ({ tag, kids });

/** Nodes up to a token for which stop holds, which is left where it is. */
function row(p, stop) {
  if (++p.depth > deepest) throw new Error('too deep');
  const kids = [];
  while (p.i < p.tokens.length && !stop(p.tokens[p.i])) kids.push(scripts(p));
  p.depth--;
  return kids.length === 1 ? kids[0] : node('mrow', ...kids);
}

/** An atom with what stands below and above it. */
function scripts(p) {
  const base = atom(p);
  let below = null;
  let above = null;
  for (; p.i < p.tokens.length; ) {
    const t = p.tokens[p.i];
    if (t === '_' && !below) below = (p.i++, argument(p));
    else if (t === '^' && !above) above = (p.i++, argument(p));
    else if (t === "'" && !above) above = (p.i++, node('mo', '′'));
    else break;
  }
  const wide = p.display && limits.has(base.kids[0]);
  if (below && above) return node(wide ? 'munderover' : 'msubsup', base, below, above);
  if (below) return node(wide ? 'munder' : 'msub', base, below);
  if (above) return node(wide ? 'mover' : 'msup', base, above);
  return base;
}

/** A group in braces, or one atom. */
function argument(p) {
  if (p.tokens[p.i] !== '{') return atom(p);
  p.i++;
  const inner = row(p, (t) => t === '}');
  p.i++;
  return inner;
}

/** The text of a group in braces, as it was written. */
function raw(p) {
  if (p.tokens[p.i] !== '{') return p.tokens[p.i++] ?? '';
  let text = '';
  let open = 0;
  do {
    const t = p.tokens[p.i++];
    if (t === undefined) break;
    if (t === '{') open++;
    else if (t === '}') open--;
    else text += t;
  } while (open > 0);
  return text;
}

function atom(p) {
  const t = p.tokens[p.i];
  if (t === undefined) return node('mrow');
  if (t === '{') return argument(p);
  p.i++;
  if (t.length > 1 && t.startsWith('\\')) return command(p, t.slice(1));
  if (/^[0-9]/.test(t)) return node('mn', t);
  if (/^\p{L}$/u.test(t)) return node('mi', t);
  if (t === '&' || t === '~') return node('mspace');
  return node('mo', t === '-' ? '−' : t === '*' ? '∗' : t);
}

function command(p, name) {
  if (known.has(name)) return node(known.get(name).tag, known.get(name).text);
  if (named.has(name)) return node('mi', name);
  if (texts.has(name)) return node('mtext', raw(p));
  if (accents.has(name)) return { tag: 'mover', accent: true, kids: [argument(p), node('mo', accents.get(name))] };
  if (widths.has(name)) return { tag: 'mspace', width: widths.get(name), kids: [] };
  switch (name) {
    case 'frac':
    case 'dfrac':
    case 'tfrac':
      return node('mfrac', argument(p), argument(p));
    case 'binom':
      return node('mrow', node('mo', '('), { tag: 'mfrac', line: '0', kids: [argument(p), argument(p)] }, node('mo', ')'));
    case 'sqrt':
      return root(p);
    case 'mathbb': {
      const text = raw(p);
      return node('mi', doubled.get(text) ?? text);
    }
    case 'left':
      return fenced(p);
    case 'begin':
      return matrix(p);
    case 'underbrace':
    case 'boxed':
      return argument(p);
    case '|':
      return node('mo', '‖');
    case 'right':
    case 'end':
      throw new Error('ends what did not begin');
    case '\\':
    case '!':
    case 'limits':
    case 'displaystyle':
    case 'big':
    case 'Big':
    case 'bigl':
    case 'bigr':
    case 'Bigl':
    case 'Bigr':
      return node('mrow');
    default:
      return /^[A-Za-z]/.test(name) ? node('mtext', `\\${name}`) : node('mo', name);
  }
}

function root(p) {
  if (p.tokens[p.i] !== '[') return node('msqrt', argument(p));
  p.i++;
  const index = row(p, (t) => t === ']');
  p.i++;
  return node('mroot', argument(p), index);
}

function fenced(p) {
  const side = () => {
    const t = p.tokens[p.i++] ?? '.';
    return t === '.' ? node('mrow') : node('mo', t.length > 1 ? (known.get(t.slice(1))?.text ?? t.slice(1)) : t);
  };
  const open = side();
  const inner = row(p, (t) => t === '\\right');
  p.i++;
  return node('mrow', open, inner, side());
}

function matrix(p) {
  const name = raw(p).replace('*', '');
  const rows = [[]];
  while (p.i < p.tokens.length && p.tokens[p.i] !== '\\end') {
    rows.at(-1).push(node('mtd', row(p, (t) => t === '&' || t === '\\\\' || t === '\\end')));
    const t = p.tokens[p.i];
    if (t === '&') p.i++;
    if (t === '\\\\') {
      p.i++;
      rows.push([]);
    }
  }
  p.i++;
  raw(p);
  const inner = node('mtable', ...rows.filter((r) => r.length > 0).map((r) => node('mtr', ...r)));
  const marks = fences.get(name) ?? '';
  return node('mrow', ...(marks[0] ? [node('mo', marks[0])] : []), inner, ...(marks[1] ? [node('mo', marks[1])] : []));
}
