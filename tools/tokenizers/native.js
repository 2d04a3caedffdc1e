// Adds the native library's answers to the cases that cases.py writes, line by line.
// With the argument "properties" it writes the characters of each property instead.
const { Tokenizer } = require('tokenizers');

function tokenizer(parts) {
  return Tokenizer.fromString(JSON.stringify({
    version: '1.0', truncation: null, padding: null, added_tokens: [],
    normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null,
    model: { type: 'WordLevel', vocab: { '[UNK]': 0 }, unk_token: '[UNK]' }, ...parts,
  }));
}

function answer(c) {
  if (c.pre) {
    const p = tokenizer({ pre_tokenizer: c.pre }).getPreTokenizer();
    return { ...c, pieces: c.texts.map((t) => p.preTokenizeString(t).map((x) => x[0])) };
  }
  if (c.normalizer) {
    const n = tokenizer({ normalizer: c.normalizer }).getNormalizer();
    return { ...c, normalized: c.texts.map((t) => n.normalizeString(t)) };
  }
  const d = tokenizer({ decoder: c.decoder }).getDecoder();
  return { ...c, decoded: c.tokens.map((t) => d.decode(t)) };
}

// The ranges of characters that an expression matches.
function ranges(expression) {
  const pre = { type: 'Split', pattern: { Regex: `(?:${expression})+` }, behavior: 'Removed', invert: true };
  const p = tokenizer({ pre_tokenizer: pre }).getPreTokenizer();
  const out = [];
  const add = (from, to) => {
    const last = out[out.length - 1];
    if (last && last[1] + 1 === from) last[1] = to; else out.push([from, to]);
  };
  for (let start = 0; start < 0x110000; start += 0x800) { // surrogates are a block of this size
    if (start === 0xd800) continue;
    const text = String.fromCodePoint(...Array.from({ length: 0x800 }, (_, i) => start + i));
    for (const [word] of p.preTokenizeString(text)) {
      const chars = [...word];
      add(chars[0].codePointAt(0), chars[chars.length - 1].codePointAt(0));
    }
  }
  return out;
}

if (process.argv[2] === 'properties') {
  const names = ('Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co ' +
    'Han Hiragana Katakana Hangul Latin Greek Cyrillic Arabic').split(' ').map((n) => `\\p{${n}}`);
  const all = {};
  for (const n of [...names, '\\w', '\\d', '\\s', '\\h', '[[:punct:]]']) all[n] = ranges(n);
  process.stdout.write(JSON.stringify(all));
} else {
  for (const line of require('fs').readFileSync(0, 'utf8').split('\n')) {
    if (!line) continue;
    try {
      console.log(JSON.stringify(answer(JSON.parse(line))));
    } catch (e) { // the library has no such expression
      console.error(JSON.parse(line).name, String(e));
    }
  }
}
