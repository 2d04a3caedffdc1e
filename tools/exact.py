#!/usr/bin/env python3
"""Computes the logits of qwen3.5's checkpoint in float64, token by token, from the formulas alone.

    tools/exact.py      (writes testdata/families/qwen3.5/exact.safetensors; plain Python, some seconds)

transformers computes its logits in float32, and a gated delta net in chunks. Its random heads amplify rounding: its
logits are up to 1.2e-4 from these. So a test may hold a computation against both.
"""
import array, json, math, os, struct

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../testdata/families/qwen3.5")


def load(name):
    data = open(os.path.join(FOLDER, name), "rb").read()
    head = struct.unpack("<Q", data[:8])[0]
    out = {}
    for key, t in json.loads(data[8:8 + head]).items():
        if key == "__metadata__":
            continue
        raw = data[8 + head + t["data_offsets"][0]:8 + head + t["data_offsets"][1]]
        if t["dtype"] == "BF16":
            raw = b"".join(b"\0\0" + raw[i:i + 2] for i in range(0, len(raw), 2))
        out[key] = t["shape"], array.array("i" if t["dtype"] == "I32" else "f", raw).tolist()
    return out


W, WANT = load("model.safetensors"), load("expected.safetensors")
C = json.load(open(os.path.join(FOLDER, "config.json")))
D, HEADS, KV, DIM = C["hidden_size"], C["num_attention_heads"], C["num_key_value_heads"], C["head_dim"]
KEYS, K, VALUES, V = C["linear_num_key_heads"], C["linear_key_head_dim"], C["linear_num_value_heads"], C["linear_value_head_dim"]
TAPS, EPS = C["linear_conv_kernel_dim"], C["rms_norm_eps"]
TURNED = int(DIM * C["partial_rotary_factor"])


def times(name, x):
    (rows, cols), w = W[name]
    return [sum(w[r * cols + c] * x[c] for c in range(cols)) for r in range(rows)]


def norm(x, w, plus=1):
    s = 1 / math.sqrt(sum(a * a for a in x) / len(x) + EPS)
    return [a * s * (plus + b) for a, b in zip(x, w)]


def unit(x):
    s = 1 / math.sqrt(sum(a * a for a in x) + 1e-6)
    return [a * s for a in x]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def silu(x):
    return x * sigmoid(x)


def dot(a, b):
    return sum(x * y for x, y in zip(a, b))


def delta_net(p, xs):
    mixed = [times(p + "in_proj_qkv.weight", x) for x in xs]
    taps, a_log, bias = W[p + "conv1d.weight"][1], W[p + "A_log"][1], W[p + "dt_bias"][1]
    state = [[[0.0] * K for _ in range(V)] for _ in range(VALUES)]
    out = []
    for t, x in enumerate(xs):
        conv = [silu(sum(taps[c * TAPS + TAPS - 1 - b] * mixed[t - b][c] for b in range(TAPS) if b <= t)) for c in range(len(mixed[t]))]
        z, b, a = (times(p + n, x) for n in ("in_proj_z.weight", "in_proj_b.weight", "in_proj_a.weight"))
        y = []
        for h in range(VALUES):
            at = h * KEYS // VALUES * K
            q, k = (unit(conv[off + at:off + at + K]) for off in (0, KEYS * K))
            v = conv[2 * KEYS * K + h * V:][:V]
            decay = math.exp(-math.exp(a_log[h]) * math.log1p(math.exp(a[h] + bias[h])))
            head = []
            for i in range(V):
                row = [s * decay for s in state[h][i]]
                u = sigmoid(b[h]) * (v[i] - dot(row, k))
                state[h][i] = row = [s + u * c for s, c in zip(row, k)]
                head.append(dot(row, q) / math.sqrt(K))
            head = norm(head, W[p + "norm.weight"][1], 0)
            y += [c * silu(g) for c, g in zip(head, z[h * V:])]
        out.append(times(p + "out_proj.weight", y))
    return out


def turn(x, t):
    half, out = TURNED // 2, list(x)
    for i in range(half):
        angle = t * C["rope_parameters"]["rope_theta"] ** (-2 * i / TURNED)
        c, s = math.cos(angle), math.sin(angle)
        out[i], out[i + half] = x[i] * c - x[i + half] * s, x[i + half] * c + x[i] * s
    return out


def attention(p, xs):
    qg, ks, vs = ([times(p + n, x) for x in xs] for n in ("q_proj.weight", "k_proj.weight", "v_proj.weight"))
    qw, kw = W[p + "q_norm.weight"][1], W[p + "k_norm.weight"][1]
    keys = [[turn(norm(k[h * DIM:(h + 1) * DIM], kw), t) for h in range(KV)] for t, k in enumerate(ks)]
    out = []
    for t in range(len(xs)):
        y = []
        for h in range(HEADS):
            q = turn(norm(qg[t][2 * h * DIM:(2 * h + 1) * DIM], qw), t)
            of = h * KV // HEADS
            e = [math.exp(dot(q, keys[u][of]) / math.sqrt(DIM)) for u in range(t + 1)]
            mixed = [sum(e[u] * vs[u][of * DIM + i] for u in range(t + 1)) / sum(e) for i in range(DIM)]
            y += [m * sigmoid(g) for m, g in zip(mixed, qg[t][(2 * h + 1) * DIM:])]
        out.append(times(p + "o_proj.weight", y))
    return out


tokens = WANT["tokens"][1]
table = W["model.embed_tokens.weight"][1]
xs = [table[t * D:(t + 1) * D] for t in tokens]
for i, kind in enumerate(C["layer_types"]):
    p = f"model.layers.{i}."
    hs = [norm(x, W[p + "input_layernorm.weight"][1]) for x in xs]
    added = delta_net(p + "linear_attn.", hs) if kind == "linear_attention" else attention(p + "self_attn.", hs)
    xs = [[a + b for a, b in zip(x, y)] for x, y in zip(xs, added)]
    for t, x in enumerate(xs):
        h = norm(x, W[p + "post_attention_layernorm.weight"][1])
        inner = [silu(g) * u for g, u in zip(times(p + "mlp.gate_proj.weight", h), times(p + "mlp.up_proj.weight", h))]
        xs[t] = [a + b for a, b in zip(x, times(p + "mlp.down_proj.weight", inner))]
logits = []
for x in xs:
    logits += times("lm_head.weight", norm(x, W["model.norm.weight"][1]))
print("transformers is %.2g away" % max(abs(a - b) for a, b in zip(logits, WANT["logits"][1])))
raw = array.array("f", logits).tobytes()
head = json.dumps({"logits": {"dtype": "F32", "shape": WANT["logits"][0], "data_offsets": [0, len(raw)]}}).encode()
head += b" " * (-len(head) % 8)
with open(os.path.join(FOLDER, "exact.safetensors"), "wb") as f:
    f.write(struct.pack("<Q", len(head)) + head + raw)
