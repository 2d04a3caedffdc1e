"""Mamba's scan as Triton kernels: one program walks one group of channels of one row. scan.selective defines it."""
import torch
import triton
import triton.language as tl


@triton.jit
def _forward(x, dt, A, B, C, y, H, l, g, P: tl.constexpr, N: tl.constexpr):
    """Writes y and every state H (b,l,g,P,N), which the way back reads."""
    row, group = tl.program_id(0), tl.program_id(1)
    p, n = tl.arange(0, P), tl.arange(0, N)
    pn = p[:, None] * N + n[None, :]
    a = tl.load(A + group * P * N + pn)
    h = tl.zeros((P, N), tl.float32)
    at = row.to(tl.int64) * l * g + group
    for _ in range(l):
        d = tl.load(dt + at * P + p)
        v = d * tl.load(x + at * P + p)
        h = tl.exp(d[:, None] * a) * h + v[:, None] * tl.load(B + at * N + n)[None, :]
        tl.store(H + at * P * N + pn, h)
        tl.store(y + at * P + p, tl.sum(h * tl.load(C + at * N + n)[None, :], 1))
        at += g


@triton.jit
def _backward(x, dt, A, B, C, H, dy, dx, ddt, dA, dB, dC, l, g, P: tl.constexpr, N: tl.constexpr):
    """Walks from the last token to the first; dA (b,g,P,N) is a row's share."""
    row, group = tl.program_id(0), tl.program_id(1)
    p, n = tl.arange(0, P), tl.arange(0, N)
    pn = p[:, None] * N + n[None, :]
    a = tl.load(A + group * P * N + pn)
    dh, da = tl.zeros((P, N), tl.float32), tl.zeros((P, N), tl.float32)
    at = row.to(tl.int64) * l * g + (l - 1) * g + group
    h = tl.load(H + at * P * N + pn)
    for i in range(l):
        d, v, gy = tl.load(dt + at * P + p), tl.load(x + at * P + p), tl.load(dy + at * P + p)
        b, c = tl.load(B + at * N + n), tl.load(C + at * N + n)
        dh += gy[:, None] * c[None, :]
        tl.store(dC + at * N + n, tl.sum(gy[:, None] * h, 0))
        before = tl.load(H + (at - g) * P * N + pn, mask=pn < P * N * (l - 1 - i), other=0.0)
        step = tl.exp(d[:, None] * a)
        through = dh * step * before                     # by the logarithm of the decay
        put = tl.sum(dh * b[None, :], 1)                 # by dt x
        tl.store(ddt + at * P + p, tl.sum(through * a, 1) + put * v)
        tl.store(dx + at * P + p, put * d)
        tl.store(dB + at * N + n, tl.sum(dh * (d * v)[:, None], 0))
        da += through * d[:, None]
        dh, h = dh * step, before
        at -= g
    tl.store(dA + (row * g + group) * P * N + pn, da)


class _Selective(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, dt, A, B, C):
        x, dt, A, B, C = (t.contiguous() for t in (x, dt, A, B, C))
        b, l, g, p = x.shape
        y, H = torch.empty_like(x), x.new_empty(b, l, g, p, B.shape[-1])
        _forward[b, g](x, dt, A, B, C, y, H, l, g, p, B.shape[-1], num_warps=1)
        ctx.save_for_backward(x, dt, A, B, C, H)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, dt, A, B, C, H = ctx.saved_tensors
        b, l, g, p = x.shape
        dx, ddt, dB, dC, dA = (torch.empty_like(t) for t in (x, dt, B, C, H[:, 0]))
        _backward[b, g](x, dt, A, B, C, H, dy.contiguous(), dx, ddt, dA, dB, dC, l, g, p, B.shape[-1], num_warps=1)
        return dx, ddt, dA.sum(0), dB, dC


def selective(*args):
    return _Selective.apply(*args)
