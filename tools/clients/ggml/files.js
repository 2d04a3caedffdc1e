// Safetensors and GGUF, as far as the comparison reads and writes them.
import fs from 'node:fs';

// readSafetensors gives the tensors by name as {shape, values}; float32 and int32 alone.
export function readSafetensors(file) {
  const bytes = fs.readFileSync(file);
  const data = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, data));
  const kinds = { F32: Float32Array, I32: Int32Array };
  return Object.fromEntries(Object.entries(header).filter(([name]) => name !== '__metadata__').map(([name, t]) => {
    const [from, to] = t.data_offsets;
    return [name, { shape: t.shape, values: new kinds[t.dtype](new Uint8Array(bytes.subarray(data + from, data + to)).buffer) }];
  }));
}

// writeSafetensors writes float32 tensors, given by name as {shape, values}.
export function writeSafetensors(file, tensors) {
  let at = 0;
  const header = {};
  for (const [name, t] of Object.entries(tensors)) {
    header[name] = { dtype: 'F32', shape: t.shape, data_offsets: [at, at + t.values.byteLength] };
    at += t.values.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  fs.writeFileSync(file, Buffer.concat([length, text, ...Object.values(tensors).map((t) => Buffer.from(t.values.buffer))]));
}

// readGGUF gives the tensors of a float32 file by name, as bytes.
export function readGGUF(file) {
  const bytes = fs.readFileSync(file);
  let at = 8;
  const u32 = () => { at += 4; return bytes.readUInt32LE(at - 4); };
  const u64 = () => { at += 8; return Number(bytes.readBigUInt64LE(at - 8)); };
  const text = () => { const n = u64(); at += n; return bytes.toString('utf8', at - n, at); };
  const sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];
  let unit = 32;
  const value = (type) => {
    if (type === 8) return text();
    if (type === 9) {
      const kind = u32();
      for (let n = u64(); n > 0; n--) value(kind);
      return undefined;
    }
    at += sizes[type];
    return type === 4 ? bytes.readUInt32LE(at - 4) : undefined;
  };
  const tensors = u64();
  for (let keys = u64(); keys > 0; keys--) {
    const key = text();
    const v = value(u32());
    if (key === 'general.alignment') unit = v;
  }
  const list = Array.from({ length: tensors }, () => {
    const name = text();
    let n = 4;
    for (let dims = u32(); dims > 0; dims--) n *= u64();
    if (u32() !== 0) throw new Error(`${file}: tensor ${name} is not float32`);
    return { name, n, offset: u64() };
  });
  const data = Math.ceil(at / unit) * unit;
  return new Map(list.map((t) => [t.name, bytes.subarray(data + t.offset, data + t.offset + t.n)]));
}
