// Writes ggml's logits of each file in testdata/ggml, of the tokens that
// transformers read in testdata/families.
import fs from 'node:fs';
import path from 'node:path';
import { readSafetensors, writeSafetensors } from './files.js';
import { Model } from './ggml.js';
import { ggmlFiles, testdata } from './models.js';

for (const file of ggmlFiles()) {
  const name = path.basename(file, '.gguf');
  const tokens = [...readSafetensors(path.join(testdata, 'families', name, 'expected.safetensors')).tokens.values];
  const model = new Model(file);
  model.clear();
  const rows = model.feed(tokens);
  model.close();
  writeSafetensors(path.join(path.dirname(file), `${name}.safetensors`), {
    logits: { shape: [rows.length, rows[0].length], values: Float32Array.from(rows.flatMap((row) => [...row])) },
  });
}
