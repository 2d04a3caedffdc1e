#!/usr/bin/env python3
"""Has ggml's own converter make a GGUF file of a small checkpoint, for testdata/ggml.

    convert.py LLAMA_CPP CHECKPOINT OUT [KEY=JSON ...]   (needs torch and numpy)

LLAMA_CPP is a checkout; the npm package node-llama-cpp brings one as llama/gitRelease.bundle.
KEY=JSON changes a key of config.json, KEY= removes it. The converter's tokenizers need
transformers, so the tokenizer of testdata/families/llama is written in their place.
"""
import json, pathlib, sys, types

llama, checkpoint, out = map(pathlib.Path, sys.argv[1:4])
testdata = pathlib.Path(__file__).resolve().parents[3] / "testdata"
sys.path[:0] = [str(llama / "gguf-py"), str(llama)]


class Missing:
    @staticmethod
    def from_pretrained(*_, **__):
        raise OSError("not here")


def stand_in(name, **members):
    try:
        __import__(name)
    except ImportError:
        sys.modules[name] = types.SimpleNamespace(**members)


class Bar:
    def __init__(self, *_, **__):
        pass

    def update(self, *_):
        pass


stand_in("transformers", AutoConfig=Missing, AutoTokenizer=Missing)
stand_in("tqdm", tqdm=Bar)

import torch

for name in "uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu".split():
    if not hasattr(torch, name):  # older ones lack them, and the checkpoints have none
        setattr(torch, name, f"no {name}")

import gguf
from conversion import get_model_class
from conversion.base import ModelBase


def vocabulary(self):
    t = json.loads((testdata / "families/llama/tokenizer.json").read_text())
    tokens = {i: s for s, i in t["model"]["vocab"].items()}
    special = {a["id"]: a["content"] for a in t["added_tokens"]}
    n, w = self.hparams["vocab_size"], self.gguf_writer
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("llama-bpe")
    w.add_token_list([{**tokens, **special}.get(i, f"[PAD{i}]") for i in range(n)])
    w.add_token_types([gguf.TokenType.CONTROL if i in special else gguf.TokenType.NORMAL if i in tokens else gguf.TokenType.UNUSED for i in range(n)])
    w.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in t["model"]["merges"]])
    w.add_bos_token_id(480)
    w.add_eos_token_id(484)


config = ModelBase.load_hparams(checkpoint, False)
for change in sys.argv[4:]:
    key, value = change.split("=", 1)
    if value:
        config[key] = json.loads(value)
    else:
        config.pop(key, None)
kind = get_model_class(config["architectures"][0])
for base in kind.__mro__:
    if "set_vocab" in vars(base):
        base.set_vocab = vocabulary
with torch.inference_mode():
    kind(checkpoint, gguf.LlamaFileType.ALL_F32, out, hparams=config).write()
