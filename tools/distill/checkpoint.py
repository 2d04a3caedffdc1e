"""Checkpoints as they are published: config.json, mamba_config.json, model.safetensors, and the tokenizer."""
import json, os, struct
import torch
from model import Config, Model

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def save(model, tok, folder, dtype=torch.bfloat16):
    c = model.c
    os.makedirs(folder, exist_ok=True)
    begin, end, _, _, eot = tok.special.values()
    ends = {"bos_token_id": begin, "eos_token_id": [end, eot]}
    write(f"{folder}/config.json", dict(
        architectures=["LlamaForCausalLM"], model_type="llama", hidden_act="silu", hidden_size=c.d_model, intermediate_size=c.d_ff,
        num_hidden_layers=c.n_layer, num_attention_heads=c.n_head, num_key_value_heads=c.n_kv_head, vocab_size=c.vocab_size,
        rms_norm_eps=c.eps, rope_theta=c.rope_theta, rope_scaling=None, max_position_embeddings=8192, tie_word_embeddings=False,
        attention_bias=False, mlp_bias=False, torch_dtype=str(dtype).split(".")[-1], **ends))
    write(f"{folder}/generation_config.json", dict(ends, temperature=0.6, top_p=0.9, do_sample=True))
    if len(c.attention) < c.n_layer:
        ssm = {"expand": 1, "d_state": c.d_state} if c.mixer == "mamba1" else {"expand": 1, "ngroups": c.n_head, "d_state": c.head}
        write(f"{folder}/mamba_config.json", dict(
            d_model=c.d_model, ssm_cfg=dict(ssm, d_conv=c.d_conv), rms_norm_eps=c.eps, vocab_size=None, d_inner=c.d_model, d_xb=c.d_xb,
            intermediate_size=c.d_ff, hidden_act="silu", n_layer=c.n_layer, attn_layers=list(c.attention)))
    write_tensors(f"{folder}/model.safetensors", {k: t.detach().to("cpu", dtype) for k, t in model.state_dict().items()})
    tok.save(folder)


def load(folder):
    with open(f"{folder}/config.json") as f:
        j = json.load(f)
    c = Config(vocab_size=j["vocab_size"], d_model=j["hidden_size"], n_layer=j["num_hidden_layers"], n_head=j["num_attention_heads"],
               n_kv_head=j["num_key_value_heads"], d_ff=j["intermediate_size"], attention=list(range(j["num_hidden_layers"])))
    if os.path.exists(f"{folder}/mamba_config.json"):
        with open(f"{folder}/mamba_config.json") as f:
            m = json.load(f)
        c.attention = m["attn_layers"]
        c.mixer = "mamba2" if "ngroups" in m["ssm_cfg"] else "mamba1"
    model = Model(c)
    model.load_state_dict(read_tensors(f"{folder}/model.safetensors"))
    return model


def write(path, value):
    with open(path, "w") as f:
        json.dump(value, f, indent=1)


def write_tensors(path, tensors):
    """safetensors: the header's length, the header, the data."""
    names = {v: k for k, v in DTYPES.items()}
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for k, t in tensors.items():
        size = t.numel() * t.element_size()
        header[k] = {"dtype": names[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for t in tensors.values():
            t = t.contiguous()
            f.write((t.view(torch.int16) if t.element_size() == 2 else t).numpy().tobytes())


def read_tensors(path):
    """Tensors as float32."""
    with open(path, "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        header, data = json.loads(f.read(n)), bytearray(f.read())
    out = {}
    for k, h in header.items():
        if k != "__metadata__":
            (first, end), dtype = h["data_offsets"], DTYPES[h["dtype"]]
            n = (end - first) // torch.empty(0, dtype=dtype).element_size()
            out[k] = torch.frombuffer(data, dtype=dtype, count=n, offset=first).reshape(h["shape"]).float()
    return out
