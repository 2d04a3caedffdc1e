#!/usr/bin/env python3
"""Writes a pure Mamba or Mamba-2 checkpoint of real shapes and random weights, to measure speed with.

    random_mamba.py OUT mamba|mamba2 D_MODEL LAYERS [TOKENIZER_DIR]   (needs numpy; mamba2 2560 64 is the 2.7B model)
"""
import json, os, shutil, struct, sys
import numpy as np

out, kind, d, layers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
vocab, inner, conv = 50288, 2 * d, 4
state, rank = (128, inner // 64) if kind == "mamba2" else (16, (d + 15) // 16)
rng = np.random.default_rng(7)
os.makedirs(out, exist_ok=True)
index = {}


def matrix(*shape):
    """bfloat16 of random sign, 2^-7 to 2^-6 scaled to keep sums near 1."""
    n = int(np.prod(shape))
    low = 127 - int(np.log2(shape[-1]) / 2 + 1)
    u = rng.integers(0, 256, n, dtype=np.uint16)
    return ((u & 128) << 8 | low << 7 | (u & 127)).astype("<u2").reshape(shape)


def vector(value, *shape):
    return np.full(shape, value, "<f4") + rng.normal(0, 0.1, shape).astype("<f4")


def shard(name, tensors):
    head, at = {}, 0
    for k, v in tensors.items():
        head[k] = {"dtype": "BF16" if v.dtype == np.dtype("<u2") else "F32", "shape": list(v.shape), "data_offsets": [at, at + v.nbytes]}
        at += v.nbytes
        index[k] = name
    head = json.dumps(head).encode()
    head += b" " * (-len(head) % 8)
    with open(f"{out}/{name}", "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for v in tensors.values():
            f.write(v.tobytes())


shard("model-embed.safetensors", {"backbone.embedding.weight": matrix(vocab, d), "backbone.norm_f.weight": vector(1, d)})
for i in range(layers):
    m = f"backbone.layers.{i}.mixer."
    channels = inner + (2 * state if kind == "mamba2" else 0)
    t = {
        f"backbone.layers.{i}.norm.weight": vector(1, d),
        m + "in_proj.weight": matrix(inner + channels + (rank if kind == "mamba2" else 0), d),
        m + "conv1d.weight": vector(0.2, channels, 1, conv),
        m + "conv1d.bias": vector(0, channels),
        m + "D": vector(1, rank if kind == "mamba2" else inner),
        m + "out_proj.weight": matrix(d, inner),
    }
    if kind == "mamba2":
        t |= {m + "dt_bias": vector(-3, rank), m + "A_log": vector(1, rank), m + "norm.weight": vector(1, inner)}
    else:
        t |= {m + "x_proj.weight": matrix(rank + 2 * state, inner), m + "dt_proj.weight": matrix(inner, rank), m + "dt_proj.bias": vector(-3, inner), m + "A_log": vector(1, inner, state)}
    shard(f"model-{i:03}.safetensors", t)
json.dump({"metadata": {}, "weight_map": index}, open(f"{out}/model.safetensors.index.json", "w"))
ssm = {"layer": "Mamba2"} if kind == "mamba2" else {}
json.dump({"d_model": d, "n_layer": layers, "vocab_size": vocab, "ssm_cfg": ssm, "rms_norm": True, "residual_in_fp32": True, "fused_add_norm": True, "pad_vocab_size_multiple": 8, "tie_embeddings": True}, open(f"{out}/config.json", "w"))
for name in ("tokenizer.json", "tokenizer_config.json"):
    if len(sys.argv) > 5 and os.path.exists(f"{sys.argv[5]}/{name}"):
        shutil.copy(f"{sys.argv[5]}/{name}", out)
