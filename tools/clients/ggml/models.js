// The checkpoints that are held against ggml: those of testdata, some with a
// setting changed that ggml does not know, and random ones that are wide enough
// for the types with blocks of 256 values.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from './files.js';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../..');
export const testdata = path.join(root, 'testdata');

// ggmlFiles are those that ggml's own converter made.
export function ggmlFiles() {
  const folder = path.join(testdata, 'ggml');
  return fs.readdirSync(folder).filter((name) => name.endsWith('.gguf')).map((name) => path.join(folder, name));
}

// checkpoints are folders below testdata. set changes config.json, longest bounds
// a text.
export const checkpoints = [
  { from: 'fixtures/llama' },
  { from: 'fixtures/pure-mamba1' },
  { from: 'fixtures/pure-mamba2' },
  { from: 'families/llama' },
  { from: 'families/llama-bias' },
  { from: 'families/mistral-window', longest: 16 }, // ggml does not compute the window of a Llama
  { from: 'families/qwen2' },
  { from: 'families/qwen3' },
  { from: 'families/mamba-hf' },
  { from: 'families/mamba2-hf' },
  { from: 'families/falcon-mamba', set: { mixer_rms_eps: 1e-5 } }, // ggml takes layer_norm_epsilon for it
  { from: 'families/granite-h' },
  { from: 'families/granite-h-tied' },
  { from: 'families/bamba' },
  { from: 'families/falcon-h1' },
  { from: 'families/nemotron-h', set: { time_step_min: 0 } }, // ggml has no bound on dt
];

// copyCheckpoint copies one to a folder, with its settings and a tokenizer.
export function copyCheckpoint(from, set, to) {
  fs.cpSync(path.join(testdata, from), to, { recursive: true });
  const file = path.join(to, 'config.json');
  fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file)), ...set }));
  if (!fs.existsSync(path.join(to, 'tokenizer.json'))) copyTokenizer(to);
}

function copyTokenizer(to) {
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) fs.copyFileSync(path.join(testdata, 'families/llama', name), path.join(to, name));
}

const D = 256, F = 512, I = 512, V = 512, LAYERS = 2;

const common = {
  hidden_size: D, num_hidden_layers: LAYERS, vocab_size: V, tie_word_embeddings: false, bos_token_id: 480, eos_token_id: 484, pad_token_id: 481,
};
const attention = { num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 512, rms_norm_eps: 1e-5, hidden_act: 'silu' };

// Each names its tensors with their shapes, a layer's without model.layers.N.
const wide = {
  llama: {
    config: { ...common, ...attention, model_type: 'llama', architectures: ['LlamaForCausalLM'], intermediate_size: F, rope_theta: 10000 },
    outer: { 'model.embed_tokens.weight': [V, D], 'model.norm.weight': [D], 'lm_head.weight': [V, D] },
    prefix: 'model.layers.',
    layer: () => ({ ...mixers.attention, ...norms('post_attention_layernorm'), 'mlp.gate_proj.weight': [F, D], 'mlp.up_proj.weight': [F, D], 'mlp.down_proj.weight': [D, F] }),
  },
  granite: {
    config: {
      ...common, ...attention, model_type: 'granitemoehybrid', architectures: ['GraniteMoeHybridForCausalLM'], intermediate_size: F, shared_intermediate_size: F,
      num_local_experts: 0, num_experts_per_tok: 0, layer_types: ['mamba', 'attention'], position_embedding_type: 'nope', embedding_multiplier: 12,
      logits_scaling: 8, residual_multiplier: 0.22, attention_multiplier: 0.0625, mamba_d_state: 64, mamba_n_heads: 8, mamba_d_head: 64, mamba_n_groups: 1,
      mamba_expand: 2, mamba_d_conv: 4, mamba_conv_bias: true, mamba_proj_bias: false,
    },
    outer: { 'model.embed_tokens.weight': [V, D], 'model.norm.weight': [D], 'lm_head.weight': [V, D] },
    prefix: 'model.layers.',
    layer: (i) => ({
      ...(i === 0 ? mixers.mamba2 : mixers.attention), ...norms('post_attention_layernorm'),
      'shared_mlp.input_linear.weight': [2 * F, D], 'shared_mlp.output_linear.weight': [D, F],
    }),
  },
  mamba: {
    config: {
      ...common, model_type: 'mamba', architectures: ['MambaForCausalLM'], intermediate_size: I, state_size: 16, conv_kernel: 4, time_step_rank: 16,
      expand: 2, layer_norm_epsilon: 1e-5, use_bias: false, use_conv_bias: true, hidden_act: 'silu',
    },
    outer: { 'backbone.embeddings.weight': [V, D], 'backbone.norm_f.weight': [D], 'lm_head.weight': [V, D] },
    prefix: 'backbone.layers.',
    layer: () => ({
      'norm.weight': [D], 'mixer.in_proj.weight': [2 * I, D], 'mixer.conv1d.weight': [I, 1, 4], 'mixer.conv1d.bias': [I], 'mixer.x_proj.weight': [48, I],
      'mixer.dt_proj.weight': [I, 16], 'mixer.dt_proj.bias': [I], 'mixer.A_log': [I, 16], 'mixer.D': [I], 'mixer.out_proj.weight': [D, I],
    }),
  },
};

const norms = (second) => ({ 'input_layernorm.weight': [D], [`${second}.weight`]: [D] });

const mixers = {
  attention: {
    'self_attn.q_proj.weight': [D, D], 'self_attn.k_proj.weight': [D / 2, D], 'self_attn.v_proj.weight': [D / 2, D], 'self_attn.o_proj.weight': [D, D],
  },
  mamba2: {
    'mamba.in_proj.weight': [2 * I + 2 * 64 + 8, D], 'mamba.conv1d.weight': [I + 2 * 64, 1, 4], 'mamba.conv1d.bias': [I + 2 * 64], 'mamba.dt_bias': [8],
    'mamba.A_log': [8], 'mamba.D': [8], 'mamba.norm.weight': [I], 'mamba.out_proj.weight': [D, I],
  },
};

export const wideNames = Object.keys(wide);

// makeWide writes a random checkpoint to a folder, the same one every time.
export function makeWide(name, to) {
  const { config, outer, prefix, layer } = wide[name];
  const shapes = { ...outer };
  for (let i = 0; i < LAYERS; i++) for (const [tensor, shape] of Object.entries(layer(i))) shapes[`${prefix}${i}.${tensor}`] = shape;
  const random = generator(7);
  const tensors = Object.fromEntries(Object.entries(shapes).map(([tensor, shape]) => [tensor, { shape, values: values(tensor, shape, random) }]));
  fs.mkdirSync(to);
  fs.writeFileSync(path.join(to, 'config.json'), JSON.stringify(config));
  writeSafetensors(path.join(to, 'model.safetensors'), tensors);
  copyTokenizer(to);
}

// values are those of a tensor: near 1 in norms, and such that products keep the
// size of their inputs.
function values(tensor, shape, random) {
  const n = shape.reduce((a, b) => a * b);
  const norm = /norm.*weight$/.test(tensor);
  const scale = norm || shape.length < 2 ? 0.1 : tensor.includes('embed') ? 1 : 1.5 / Math.sqrt(shape.at(-1));
  return Float32Array.from({ length: n }, () => (norm ? 1 : 0) + scale * random());
}

// generator makes normally distributed numbers of a seed.
function generator(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 4294967296;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
