// Holds GGUF files of mil against ggml: `node main.js MIL`. tools/clients/ggml.sh
// installs what it needs.
//
// 1. Files that mil converted run in ggml with mil's logits and greedy tokens.
// 2. Files that ggml's own converter made (testdata/ggml) run in mil likewise.
// 3. What one quantizes the other reads: the same values to the bit.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { readGGUF, readSafetensors } from './files.js';
import { Model, quantize } from './ggml.js';
import { checkpoints, copyCheckpoint, ggmlFiles, makeWide, wideNames } from './models.js';

const mil = path.resolve(process.argv[2] ?? 'mil');
const work = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'mil-ggml-'));

const GREEDY = 32; // tokens after each prompt
// How far logits at float32 may lie apart, as a part of the largest: sums are made in
// another order.
const EXACT = 2e-5;
// Beside quantized weights both round activations. mil may add this many times the
// noise that ggml adds to what the file's own values give.
const NOISE = 1.25;

function run(...args) {
  try {
    return execFileSync(mil, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (err) {
    throw new Error(err.stderr?.trim() || err.message);
  }
}

function convert(from, to, type) {
  run('convert', from, '-o', to, '--type', type, '--force');
  return to;
}

// logits are mil's, a row for each token.
function logits(file, tokens, ...flags) {
  const out = path.join(work, 'logits.safetensors');
  run('logits', file, '--backend', 'cpu', '-t', '1', '--tokens', tokens.join(','), '-o', out, ...flags);
  const { shape: [rows, vocabulary], values } = readSafetensors(out).logits;
  return Array.from({ length: rows }, (_, i) => values.subarray(i * vocabulary, (i + 1) * vocabulary));
}

const best = (row) => row.reduce((top, x, i) => (x > row[top] ? i : top), 0);
const largest = (rows) => rows.reduce((most, row) => row.reduce((m, x) => Math.max(m, Math.abs(x)), most), 0);

// apart is the largest difference of two lists of rows, as a part of the largest
// logit. NaN on either side counts.
function apart(a, b) {
  let most = a.length === b.length ? 0 : Infinity;
  a.forEach((row, i) => row.forEach((x, j) => { if (!(Math.abs(x - b[i]?.[j]) <= most)) most = Math.abs(x - b[i]?.[j]); }));
  return most / largest(a);
}

// noise is the root of the mean square of differences, as a part of that of a.
function noise(a, b) {
  let wrong = 0, all = 0;
  a.forEach((row, i) => row.forEach((x, j) => { wrong += (x - b[i][j]) ** 2; all += x * x; }));
  return Math.sqrt(wrong / all);
}

// prompts are token ids. The longest is read in a pass of many tokens.
function prompts(longest) {
  return [1, 7, 40].filter((n) => n < longest).map((n) => Array.from({ length: n }, (_, i) => (i * 37 + 11 * n) % 470));
}

// agree runs a file in both. Where every row's best token of mil is the token that
// ggml went on with, mil's greedy text is ggml's.
function agree(file, { longest = Infinity } = {}) {
  const model = new Model(file);
  let tokens = 0, worst = 0;
  try {
    for (const prompt of prompts(longest)) {
      model.clear();
      const text = [...prompt], rows = model.feed(prompt);
      while (text.length < Math.min(prompt.length + GREEDY, longest)) {
        text.push(best(rows.at(-1)));
        rows.push(...model.feed([text.at(-1)]));
      }
      for (const flags of [[], ['--step']]) {
        const ours = logits(file, text, ...flags);
        worst = Math.max(worst, apart(rows, ours));
        for (let i = prompt.length; i < text.length; i++) {
          if (best(ours[i - 1]) !== text[i]) throw new Error(`token ${i} is ${text[i]} in ggml and ${best(ours[i - 1])} in mil${flags}, logits ${worst.toExponential(1)} apart`);
        }
      }
      tokens += text.length - prompt.length;
    }
  } finally {
    model.close();
  }
  if (!(worst <= EXACT)) throw new Error(`logits are ${worst.toExponential(1)} of the largest apart`);
  return `${tokens} greedy tokens, logits ${worst.toExponential(1)} of the largest apart`;
}

// sameValues compares the tensors of two float32 files bit by bit.
function sameValues(a, b) {
  const ours = readGGUF(a), theirs = readGGUF(b);
  if (ours.size !== theirs.size) throw new Error(`${ours.size} tensors in mil, ${theirs.size} in ggml`);
  for (const [name, bytes] of ours) {
    if (!theirs.get(name)?.equals(bytes)) throw new Error(`tensor ${name} has other values in ggml`);
  }
}

// readAlike holds a quantized file: both unpack the same values of it, and run it.
function readAlike(file) {
  const ours = convert(file, path.join(work, 'ours.gguf'), 'f32'), theirs = path.join(work, 'theirs.gguf');
  quantize(file, theirs, 0);
  sameValues(ours, theirs);
  const [, , text] = prompts(Infinity);
  const exact = logits(ours, text);
  const model = new Model(file);
  model.clear();
  const inGGML = noise(exact, model.feed(text)), inMil = noise(exact, logits(file, text));
  model.close();
  if (!(inMil <= NOISE * inGGML)) throw new Error(`noise of ${inMil.toExponential(1)} in mil, ${inGGML.toExponential(1)} in ggml`);
  return inMil / inGGML;
}

// ggml's own types, by llama_ftype.
const ftypes = { f16: 1, q4_0: 2, q4_1: 3, q8_0: 7, q5_0: 8, q5_1: 9, q2_k: 10, q3_k_m: 12, q4_k_m: 15, q5_k_m: 17, q6_k: 18, iq4_nl: 25, iq4_xs: 30, bf16: 32 };
const types = ['f16', 'bf16', 'q8_0', 'q6_k', 'q5_1', 'q5_k', 'q5_0', 'q4_1', 'q4_k', 'iq4_nl', 'q4_0', 'iq4_xs', 'mxfp4', 'q3_k', 'q2_k', 'q4_k_m', 'q5_k_m'];

const few = ['q8_0', 'q4_k_m', 'q5_0'];

// each holds a file of each type, which make writes.
function each(list, make) {
  const noises = list.map((type) => {
    try {
      return readAlike(make(type, path.join(work, 'quantized.gguf')));
    } catch (err) {
      throw new Error(`${type}: ${err.message}`);
    }
  });
  return `${list.length} types unpack to the same bits, noise at most ${Math.max(...noises).toFixed(2)} of ggml's`;
}

let passed = 0, failed = 0;

function check(name, body) {
  try {
    process.stdout.write(`${name.padEnd(34)} ${body()}\n`);
    passed++;
  } catch (err) {
    process.stdout.write(`${name.padEnd(34)} FAILED: ${err.message}\n`);
    failed++;
  }
}

function checkAll() {
  for (const { from, set, longest } of checkpoints) {
    check(from, () => {
      const folder = path.join(work, path.basename(path.dirname(from)) + path.basename(from));
      copyCheckpoint(from, set, folder);
      return agree(convert(folder, path.join(work, 'model.gguf'), 'f32'), { longest });
    });
  }
  for (const file of ggmlFiles()) check(`of ggml's converter: ${path.basename(file)}`, () => agree(file));
  for (const name of wideNames) {
    const plain = path.join(work, `${name}.gguf`);
    check(`wide ${name}`, () => {
      makeWide(name, path.join(work, `wide-${name}`));
      return agree(convert(path.join(work, `wide-${name}`), plain, 'f32'));
    });
    const some = (list) => (name === 'granite' ? list : list.filter((type) => few.includes(type)));
    check(`wide ${name}, quantized by ggml`, () => each(some(Object.keys(ftypes)), (type, to) => { quantize(plain, to, ftypes[type]); return to; }));
    check(`wide ${name}, quantized by mil`, () => each(some(types), (type, to) => convert(plain, to, type)));
  }
}

try {
  checkAll();
} finally {
  fs.rmSync(work, { recursive: true });
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed > 0 ? 1 : 0);
