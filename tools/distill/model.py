"""The teacher, the hybrids and the drafts: a Llama whose layers mix by attention, Mamba or Mamba-2.

Parameters are named and laid out as in the published checkpoints. Shapes: b rows, l tokens.
"""
import math
from dataclasses import dataclass, field
import torch
import torch.nn as nn
import torch.nn.functional as F
import scan


@dataclass
class Config:
    vocab_size: int = 2048
    d_model: int = 256
    n_layer: int = 8
    n_head: int = 4
    n_kv_head: int = 2
    d_ff: int = 768
    mixer: str = "mamba2"                 # of the layers without attention: mamba1 or mamba2
    attention: list = field(default_factory=lambda: list(range(8)))
    eps: float = 1e-5
    rope_theta: float = 500000.0
    d_state: int = 16                     # of Mamba; Mamba-2's is the head's size
    d_conv: int = 4

    @property
    def head(self):
        return self.d_model // self.n_head

    @property
    def d_xb(self):
        return self.n_kv_head * self.head


def norm(x, weight, eps):
    """RMSNorm over the last dimension, computed in float32."""
    if hasattr(F, "rms_norm"):
        return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), eps)
    y = x.float()
    return (y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps)).to(x.dtype) * weight


class RMSNorm(nn.Module):
    def __init__(self, d, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return norm(x, self.weight, self.eps)


def repeat(t, heads, d):
    """(b,l,k*d) -> (b,l,heads,d): head j of k serves heads j*r .. j*r+r-1, as grouped-query attention does."""
    b, l, c = t.shape
    r = heads * d // c
    return t.reshape(b, l, c // d, 1, d).expand(b, l, c // d, r, d).reshape(b, l, heads, d)


def turn(t, cos, sin):
    """RoPE of t (b,l,h,d)."""
    x, y = t.float().chunk(2, -1)
    return torch.cat([x * cos - y * sin, y * cos + x * sin], -1).to(t.dtype)


def conv(t, c):
    """Causal depthwise convolution and SiLU, as a sum over the taps; t (b,l,channels)."""
    w, l = c.weight[:, 0], t.shape[1]
    past = F.pad(t, (0, 0, w.shape[1] - 1, 0))
    return F.silu(sum(past[:, i:i + l] * w[:, i] for i in range(w.shape[1])) + c.bias).to(t.dtype)


def linear(a, b, bias=False):
    return nn.Linear(a, b, bias=bias)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj, self.o_proj = linear(c.d_model, c.d_model), linear(c.d_model, c.d_model)
        self.k_proj, self.v_proj = linear(c.d_model, c.d_xb), linear(c.d_model, c.d_xb)

    def forward(self, u, rope):
        c, (b, l, _) = self.c, u.shape
        q = turn(self.q_proj(u).view(b, l, c.n_head, c.head), *rope)
        k = turn(self.k_proj(u).view(b, l, c.n_kv_head, c.head), *rope)
        q, k, v = (t.transpose(1, 2) for t in (q, repeat(k.reshape(b, l, -1), c.n_head, c.head), repeat(self.v_proj(u), c.n_head, c.head)))
        if hasattr(F, "scaled_dot_product_attention"):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            later = torch.ones(l, l, dtype=torch.bool, device=u.device).triu(1)
            y = (q @ k.transpose(-1, -2) / math.sqrt(c.head)).masked_fill(later, float("-inf")).softmax(-1) @ v
        return self.o_proj(y.transpose(1, 2).reshape(b, l, -1))


def spread(shape):
    """The inverse softplus of steps spread evenly by their logarithm from 0.001 to 0.1."""
    dt = torch.exp(torch.rand(shape) * math.log(100) + math.log(0.001))
    return dt + torch.log(-torch.expm1(-dt))


class Mamba(nn.Module):
    """x is repeated before the convolution; dt_proj's bias is added twice, as in the published models, so that it
    begins as half of what Mamba's does."""

    def __init__(self, c):
        super().__init__()
        self.c, d, n = c, c.d_model, c.d_state
        self.in_proj_x, self.in_proj_z = linear(d, c.d_xb), linear(d, d)
        self.B_proj, self.C_proj = linear(d, c.d_xb), linear(d, d)
        self.dt_proj_down, self.dt_proj = linear(d, math.ceil(d / 16)), linear(math.ceil(d / 16), d, bias=True)
        self.dt_proj.bias.data = spread(d) / 2
        self.conv1d = nn.Conv1d(d, d, c.d_conv, groups=d)
        self.A_log = nn.Parameter(torch.arange(1.0, n + 1).log().repeat(d, 1))
        self.D = nn.Parameter(torch.ones(d))
        self.out_proj = linear(d, d)

    def reuse(self, a):
        """Takes over an attention's projections: v becomes x, k becomes B, q becomes C, o the output."""
        for own, from_ in ((self.in_proj_x, a.v_proj), (self.B_proj, a.k_proj), (self.C_proj, a.q_proj), (self.out_proj, a.o_proj)):
            own.weight.data.copy_(from_.weight.data)

    def forward(self, u, _):
        b, l, d = u.shape
        n, g = self.c.d_state, d // self.c.d_state
        group = lambda t: t.reshape(b, l, g, n).float()
        x = conv(repeat(self.in_proj_x(u), g, n).reshape(b, l, d), self.conv1d)
        dt = F.softplus(self.dt_proj(self.dt_proj_down(u)).float() + self.dt_proj.bias)
        A = -torch.exp(self.A_log).view(g, n, n)
        y = scan.selective(group(x), group(dt), A, repeat(self.B_proj(u), g, n).float(), group(self.C_proj(u)))
        y = y.reshape(b, l, d) + self.D * x.float()
        return self.out_proj((y * F.silu(self.in_proj_z(u).float())).to(u.dtype))


class Mamba2(nn.Module):
    """in_proj's rows are z, x, B, C, dt; the convolution runs over x, B, C before x and B are repeated; the norm is a
    head's own, behind the gate."""

    def __init__(self, c):
        super().__init__()
        self.c, d, h, xb = c, c.d_model, c.n_head, c.d_xb
        self.in_proj = linear(d, 2 * d + 2 * xb + h)
        self.conv1d = nn.Conv1d(d + 2 * xb, d + 2 * xb, c.d_conv, groups=d + 2 * xb)
        self.dt_bias = nn.Parameter(spread(h))
        self.A_log = nn.Parameter(torch.empty(h).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(h))
        self.norm = RMSNorm(d, 1e-5)
        self.out_proj = linear(d, d)

    def reuse(self, a):
        w, d, xb = self.in_proj.weight.data, self.c.d_model, self.c.d_xb
        w[d:d + xb], w[d + xb:d + 2 * xb], w[d + 2 * xb:2 * (d + xb)] = a.v_proj.weight.data, a.k_proj.weight.data, a.q_proj.weight.data
        self.out_proj.weight.data.copy_(a.o_proj.weight.data)

    def forward(self, u, _):
        c, (b, l, d) = self.c, u.shape
        h, n, xb = c.n_head, c.head, c.d_xb
        z, xBC, dt = self.in_proj(u).split([d, d + 2 * xb, h], -1)
        x, B, C = (repeat(t, h, n) for t in conv(xBC, self.conv1d).split([xb, xb, d], -1))
        y = scan.ssd(x, F.softplus(dt.float() + self.dt_bias), -torch.exp(self.A_log), B, C) + self.D[:, None] * x.float()
        y = y * F.silu(z.float()).reshape(b, l, h, n)
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.norm.eps)
        return self.out_proj((y.reshape(b, l, d) * self.norm.weight).to(u.dtype))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = linear(c.d_model, c.d_ff), linear(c.d_model, c.d_ff), linear(c.d_ff, c.d_model)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c, i):
        super().__init__()
        self.input_layernorm = RMSNorm(c.d_model, c.eps)
        if i in c.attention:
            self.self_attn = Attention(c)
        else:
            self.mamba = {"mamba1": Mamba, "mamba2": Mamba2}[c.mixer](c)
        self.post_attention_layernorm = RMSNorm(c.d_model, c.eps)
        self.mlp = MLP(c)

    def forward(self, h, rope):
        mixer = self.mamba if hasattr(self, "mamba") else self.self_attn
        h = h + mixer(self.input_layernorm(h), rope)
        return h + self.mlp(self.post_attention_layernorm(h))


class Model(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.model = nn.Module()
        self.model.embed_tokens = nn.Embedding(c.vocab_size, c.d_model)
        self.model.layers = nn.ModuleList(Layer(c, i) for i in range(c.n_layer))
        self.model.norm = RMSNorm(c.d_model, c.eps)
        self.lm_head = linear(c.d_model, c.vocab_size)
        for name, p in self.named_parameters():
            if p.dim() == 2 and not name.endswith("A_log"):
                ends = name.endswith(("o_proj.weight", "out_proj.weight", "down_proj.weight"))  # what is added to the stream
                nn.init.normal_(p, std=0.02 if "embed" in name else p.shape[1] ** -0.5 / (math.sqrt(2 * c.n_layer) if ends else 1))

    def forward(self, ids):
        """(b,l) ids -> (b,l,vocab) logits."""
        rope = self.rope(ids.shape[1], ids.device)
        h = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            h = layer(h, rope)
        return self.lm_head(self.model.norm(h))

    def rope(self, l, device):
        """Cosines and sines (l,1,d/2) of the angles by which pair (i, i+d/2) of position t turns, t theta^(-2i/d)."""
        d = self.c.head
        angle = torch.arange(l, device=device)[:, None] * self.c.rope_theta ** (-torch.arange(0, d, 2, device=device).double() / d)
        return angle.cos().float()[:, None], angle.sin().float()[:, None]

    @torch.no_grad()
    def begin_from(self, other, reuse=True, plain=False):
        """Takes over what `other`, a teacher or a hybrid with more attention, has at the same place: layers as they are,
        and where it attends and this one does not, the projections; without reuse such mixers stay random. Plain
        convolutions begin as their newest tap, which hands on what comes as it is; else they are random."""
        own, theirs = self.state_dict(), other.state_dict()
        for k in own:
            if k in theirs and own[k].shape == theirs[k].shape:
                own[k].copy_(theirs[k])
        for mine, layer in zip(self.model.layers, other.model.layers):
            if hasattr(mine, "mamba") and hasattr(layer, "self_attn"):
                if reuse:
                    mine.mamba.reuse(layer.self_attn)
                if plain:
                    c = mine.mamba.conv1d
                    c.weight.copy_((torch.arange(c.weight.shape[-1]) == c.weight.shape[-1] - 1).expand_as(c.weight))
                    c.bias.zero_()
