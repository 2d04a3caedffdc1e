// ggml's C API as far as the comparison needs it, on the prebuilt library that
// node-llama-cpp brings. The structs are llama.h's of the release that
// package-lock.json pins.
import koffi from 'koffi';
import path from 'node:path';
import { getBinsDir } from '@node-llama-cpp/linux-x64';

const bins = path.join(getBinsDir().binsDir, 'linux-x64');

const ModelParams = koffi.struct('llama_model_params', {
  devices: 'void *', tensor_buft_overrides: 'void *', n_gpu_layers: 'int32_t', split_mode: 'int', load_mode: 'int', lazy_mode: 'int',
  main_gpu: 'int32_t', tensor_split: 'void *', progress_callback: 'void *', progress_callback_user_data: 'void *', kv_overrides: 'void *',
  vocab_only: 'bool', check_tensors: 'bool', use_extra_bufts: 'bool', no_host: 'bool', no_alloc: 'bool', load_mtp: 'bool',
});
const ContextParams = koffi.struct('llama_context_params', {
  n_ctx: 'uint32_t', n_batch: 'uint32_t', n_ubatch: 'uint32_t', n_seq_max: 'uint32_t', n_rs_seq: 'uint32_t', n_outputs_max: 'uint32_t',
  n_outputs_max_per_seq: 'uint32_t', n_threads: 'int32_t', n_threads_batch: 'int32_t',
  ctx_type: 'int', rope_scaling_type: 'int', pooling_type: 'int', attention_type: 'int', flash_attn_type: 'int',
  rope_freq_base: 'float', rope_freq_scale: 'float', yarn_ext_factor: 'float', yarn_attn_factor: 'float', yarn_beta_fast: 'float',
  yarn_beta_slow: 'float', yarn_orig_ctx: 'uint32_t', defrag_thold: 'float',
  cb_eval: 'void *', cb_eval_user_data: 'void *', type_k: 'int', type_v: 'int', abort_callback: 'void *', abort_callback_data: 'void *',
  embeddings: 'bool', offload_kqv: 'bool', no_perf: 'bool', op_offload: 'bool', swa_full: 'bool', kv_unified: 'bool',
  samplers: 'void *', n_samplers: 'size_t', ctx_other: 'void *',
});
const QuantizeParams = koffi.struct('llama_model_quantize_params', {
  nthread: 'int32_t', ftype: 'int', output_tensor_type: 'int', token_embedding_type: 'int',
  allow_requantize: 'bool', quantize_output_tensor: 'bool', only_copy: 'bool', pure: 'bool', keep_split: 'bool', dry_run: 'bool',
  imatrix: 'void *', kv_overrides: 'void *', tt_overrides: 'void *', prune_layers: 'void *', max_buf_size: 'size_t',
});
koffi.struct('llama_batch', {
  n_tokens: 'int32_t', token: 'void *', embd: 'void *', pos: 'void *', n_seq_id: 'void *', seq_id: 'void *', logits: 'void *',
});

const ggml = koffi.load(path.join(bins, 'libggml.v0.5.0.so'));
const lib = koffi.load(path.join(bins, 'libllama.v0.5.0.so'));
const log = koffi.proto('void log(int level, const char *text, void *data)');
const f = Object.fromEntries([
  'llama_model_params llama_model_default_params()',
  'llama_context_params llama_context_default_params()',
  'llama_model_quantize_params llama_model_quantize_default_params()',
  'void llama_log_set(log *callback, void *data)',
  'void *llama_model_load_from_file(const char *path, llama_model_params params)',
  'void llama_model_free(void *model)',
  'void *llama_init_from_model(void *model, llama_context_params params)',
  'void llama_free(void *context)',
  'void *llama_model_get_vocab(void *model)',
  'int32_t llama_vocab_n_tokens(void *vocab)',
  'llama_batch llama_batch_init(int32_t tokens, int32_t embd, int32_t sequences)',
  'void llama_batch_free(llama_batch batch)',
  'int32_t llama_decode(void *context, llama_batch batch)',
  'void *llama_get_logits_ith(void *context, int32_t i)',
  'void *llama_get_memory(void *context)',
  'void llama_memory_clear(void *memory, bool data)',
  'uint32_t llama_model_quantize(const char *from, const char *to, llama_model_quantize_params *params)',
].map((s) => [s.match(/(\w+)\(/)[1], lib.func(s)]));
const loadBackends = ggml.func('void ggml_backend_load_all_from_path(const char *folder)');


const defaults = { model: f.llama_model_default_params(), context: f.llama_context_default_params(), quantize: f.llama_model_quantize_default_params() };
if (defaults.context.n_batch !== 2048 || defaults.context.type_v !== 1 || !defaults.context.swa_full || defaults.quantize.max_buf_size !== 8 * 2 ** 30) {
  throw new Error('the library is not of the release whose structs stand here');
}

let said = []; // ggml's warnings and errors since the last call
f.llama_log_set(koffi.register((level, text) => { if (level >= 3) said.push(text.trim()); }, koffi.pointer(log)), null);
loadBackends(bins);

// failed is an error with what ggml logged about it.
function failed(what) {
  const why = said.filter((line) => line).join(' / ');
  return new Error(why ? `${what}: ${why}` : what);
}

const F32 = 0;

// Model is a GGUF file that ggml opened, with float32 caches.
export class Model {
  constructor(file) {
    said = [];
    this.model = f.llama_model_load_from_file(file, { ...defaults.model, n_gpu_layers: 0 });
    if (!this.model) throw failed('ggml does not open the file');
    this.context = f.llama_init_from_model(this.model, {
      ...defaults.context, n_ctx: 512, n_batch: 512, n_ubatch: 512, n_outputs_max_per_seq: 0,
      n_threads: 1, n_threads_batch: 1, flash_attn_type: 0, type_k: F32, type_v: F32,
    });
    if (!this.context) throw failed('ggml makes no context');
    this.vocabulary = f.llama_vocab_n_tokens(f.llama_model_get_vocab(this.model));
  }

  // clear begins a new sequence.
  clear() {
    f.llama_memory_clear(f.llama_get_memory(this.context), true);
    this.position = 0;
  }

  // feed reads tokens in one pass and returns the logits of each.
  feed(tokens) {
    const n = tokens.length;
    const batch = f.llama_batch_init(n, 0, 1);
    try {
      new Int32Array(koffi.view(batch.token, 4 * n)).set(tokens);
      new Int32Array(koffi.view(batch.pos, 4 * n)).set(tokens.map((_, i) => this.position + i));
      new Int32Array(koffi.view(batch.n_seq_id, 4 * n)).fill(1);
      new Int8Array(koffi.view(batch.logits, n)).fill(1);
      for (const sequence of new BigUint64Array(koffi.view(batch.seq_id, 8 * n))) new Int32Array(koffi.view(sequence, 4))[0] = 0;
      const code = f.llama_decode(this.context, { ...batch, n_tokens: n });
      if (code !== 0) throw failed(`ggml's decoding ends with ${code}`);
    } finally {
      f.llama_batch_free(batch);
    }
    this.position += n;
    return tokens.map((_, i) => new Float32Array(koffi.view(f.llama_get_logits_ith(this.context, i), 4 * this.vocabulary)).slice());
  }

  close() {
    f.llama_free(this.context);
    f.llama_model_free(this.model);
  }
}

// quantize has ggml write a file anew in a type of llama_ftype.
export function quantize(from, to, ftype) {
  said = [];
  const params = { ...defaults.quantize, ftype, allow_requantize: true, nthread: 1 };
  if (f.llama_model_quantize(from, to, params) !== 0) throw failed('ggml does not quantize the file');
}
