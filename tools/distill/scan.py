"""The recurrences, as definitions that run anywhere. Shapes: b rows, l tokens, h heads, g groups, n state, p channels."""
import torch
import torch.nn.functional as F

try:
    import scan_triton
except ImportError:  # no Triton: the definition below serves
    scan_triton = None


def ssd(x, dt, A, B, C, chunk=64):
    """Mamba-2's scan: S_t = exp(dt_t A) S_{t-1} + dt_t B_t x_t^T; y_t = S_t^T C_t.

    x (b,l,h,p), dt (b,l,h) after the softplus, A (h,) negative, B and C (b,l,h,n) -> y (b,l,h,p), float32. In chunks:
    within one as a masked product, between them through their states, which meet in a product with the decays from
    chunk to chunk, so that nothing loops.
    """
    b, l, h, p = x.shape
    pad = -l % chunk
    if pad:
        x, B, C = (F.pad(t, (0, 0, 0, 0, 0, pad)) for t in (x, B, C))
        dt = F.pad(dt, (0, 0, 0, pad))
    m = (l + pad) // chunk
    x, B, C = (t.reshape(b, m, chunk, h, -1).transpose(2, 3) for t in (x, B, C))  # b m h q *
    dt = dt.reshape(b, m, chunk, h).transpose(2, 3).float()                      # b m h q
    cum = torch.cumsum(dt * A[:, None], -1)
    y = ((C @ B.transpose(-1, -2)) * decays(cum).to(x.dtype) * dt[..., None, :].to(x.dtype)) @ x
    left = (torch.exp(cum[..., -1:] - cum) * dt)[..., None]                      # of each token at its chunk's end
    S = (B * left.to(B.dtype)).transpose(-1, -2) @ x                             # b m h n p
    total = torch.cumsum(cum[..., -1], 1).transpose(1, 2)                        # b h m
    # State before chunk i: the sum over j < i of S_j exp(total_{i-1} - total_j).
    between = F.pad(decays(total), (0, 0, 1, 0))[..., :-1, :]
    before = (between.to(S.dtype) @ S.permute(0, 2, 1, 3, 4).reshape(b, h, m, -1)).reshape(b, h, m, *S.shape[-2:])
    y = y + (C * torch.exp(cum)[..., None].to(C.dtype)) @ before.transpose(1, 2).to(C.dtype)
    return y.transpose(2, 3).reshape(b, m * chunk, h, p)[:, :l].float()


def decays(cum):
    """(..., q) sums of logarithms -> (..., q, q): exp(cum_i - cum_j) for j <= i, else 0."""
    d = cum[..., :, None] - cum[..., None, :]
    later = torch.ones(d.shape[-2:], dtype=torch.bool, device=d.device).triu(1)
    return torch.exp(d.masked_fill(later, float("-inf")))


def kernel(*args):
    return scan_triton.selective(*args)


if hasattr(torch, "compiler"):  # it is compiled already
    kernel = torch.compiler.disable(kernel)


def selective(x, dt, A, B, C, chunk=16):
    """Mamba's scan: h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t; y_t = h_t C_t.

    x and dt (b,l,g,p), A (g,p,n) negative, B and C (b,l,g,n) -> y (b,l,g,p); float32 throughout. In two levels, so
    that the graph stays shallow.
    """
    if scan_triton and x.is_cuda:
        return kernel(x, dt, A, B, C)
    b, l = x.shape[:2]
    pad = -l % chunk
    if pad:
        x, dt, B, C = (F.pad(t, (0, 0, 0, 0, 0, pad)) for t in (x, dt, B, C))
    split = lambda t: t.reshape(b, -1, chunk, *t.shape[2:]).unbind(2)            # chunk x (b m g *)
    state, decay, states, decays_ = 0, 1, [], []
    for xt, dtt, Bt in zip(split(x), split(dt), split(B)):
        step = torch.exp(dtt[..., None] * A)
        state = step * state + (dtt * xt)[..., None] * Bt[..., None, :]
        decay = step * decay
        states.append(state)
        decays_.append(decay)
    carry, before = torch.zeros_like(state[:, 0]), []
    for j in range(state.shape[1]):
        before.append(carry)
        carry = decay[:, j] * carry + state[:, j]
    before = torch.stack(before, 1)
    y = [((s + d * before) * Ct[..., None, :]).sum(-1) for s, d, Ct in zip(states, decays_, split(C))]
    return torch.stack(y, 2).reshape(b, l + pad, *x.shape[2:])[:, :l]
