"""Training: losses, AdamW over one flat buffer, and a step that a GPU replays as a graph."""
import contextlib, math, time
import numpy as np
import torch
import torch.nn.functional as F

ASIDE = 0.1  # what a token outside replies counts


def unpack(rows):
    """Rows of data.rows -> ids (b,l) and what predicting each of them counts (b,l)."""
    ids, mark = rows & 0x3FFF, rows >> 14
    return ids.long(), torch.where(mark == 1, 1.0, torch.where(mark == 0, ASIDE, 0.0))


def weighted(each, weight):
    return (each * weight).sum() / weight.sum()


def learn(model, rows):
    """Cross-entropy with the text."""
    ids, weight = unpack(rows)
    each = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none")
    return weighted(each, weight[:, 1:].flatten())


def divergence(student, teacher, following, hard):
    """Cross-entropy with what the teacher expects, whose gradient is that of the KL divergence, and a share of it with
    the text; logits (b,l,v), ids (b,l) -> (b*l)."""
    target = teacher.flatten(0, 1).float().softmax(-1)
    logs = student.flatten(0, 1).float().log_softmax(-1)
    return -(1 - hard) * (logs * target).sum(-1) - hard * logs.gather(1, following.reshape(-1, 1))[:, 0]


def distil(teacher, hard=0.1, fused=False):
    apart = torch.compile(divergence, dynamic=False) if fused else divergence

    def loss(model, rows):
        ids, weight = unpack(rows)
        with torch.no_grad():
            want = teacher(ids)
        # The last token's successor is unknown and weighs nothing.
        each = apart(model(ids), want, ids.roll(-1, 1), hard)
        weight = F.pad(weight[:, 1:], (0, 1))
        return weighted(each, weight.flatten())
    return loss


def compiled(*models):
    """Layers compiled once for all of a kind."""
    for m in models:
        for layer in m.model.layers:
            layer.compile(dynamic=False)


class Adam:
    """AdamW whose parameters, gradients and averages are one buffer each; the rate is a tensor, for graphs."""

    def __init__(self, model, b1=0.9, b2=0.98, decay=0.1, clip=1.0):
        ps = [p for p in model.parameters() if p.requires_grad]
        self.b1, self.b2, self.decay, self.clip = b1, b2, decay, clip
        self.p = torch.cat([p.detach().flatten() for p in ps])
        self.g, self.m, self.v = (torch.zeros_like(self.p) for _ in range(3))
        self.decays = torch.cat([torch.full_like(p.detach().flatten(), float(p.dim() == 2)) for p in ps])
        self.rate, self.warm1, self.warm2 = (torch.zeros((), device=self.p.device) for _ in range(3))
        at = 0
        for p in ps:
            n = p.numel()
            p.data, p.grad = self.p[at:at + n].view_as(p), self.g[at:at + n].view_as(p)
            at += n

    def set(self, rate, step):
        self.rate.fill_(rate)
        self.warm1.fill_(1 - self.b1 ** (step + 1))
        self.warm2.fill_(1 - self.b2 ** (step + 1))

    @torch.no_grad()
    def step(self):
        self.g.mul_((self.clip / (self.g.norm() + 1e-6)).clamp(max=1))
        self.m.lerp_(self.g, 1 - self.b1)
        self.v.lerp_(self.g * self.g, 1 - self.b2)
        change = self.m / self.warm1 / ((self.v / self.warm2).sqrt() + 1e-8) + self.decay * self.decays * self.p
        self.p.sub_(change * self.rate)


def fit(model, rows, loss, batch, steps, rate, seed=0, say=print, every=0, check=None):
    """Trains on rows [n][l] in an order drawn from the seed: the rate rises over a twentieth of the steps and falls as
    a cosine to a twentieth. `check` is called at every `every`-th step and its result is printed. Returns the loss after the
    first twentieth and the last."""
    device = next(model.parameters()).device
    cuda = device.type == "cuda"
    rows = torch.from_numpy(rows.astype(np.int32)).to(device)
    adam, now, value = Adam(model), rows[:batch].clone(), torch.zeros((), device=device)
    draw = torch.Generator(device).manual_seed(seed)
    def step():
        adam.g.zero_()
        with torch.autocast(device.type, torch.bfloat16, enabled=cuda, cache_enabled=False):
            out = loss(model, now)
        out.backward()
        adam.step()
        value.copy_(out.detach())

    if cuda:  # steps that change no parameter, then the graph
        adam.set(0, 0)
        side, before = torch.cuda.Stream(), adam.p.clone()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.empty_cache()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        adam.p.copy_(before)
        adam.m.zero_()
        adam.v.zero_()
    begun, first = time.time(), None
    for i in range(steps):
        at = i * batch % (len(rows) - len(rows) % batch)
        if at == 0:
            order = torch.randperm(len(rows), generator=draw, device=device)
        now.copy_(rows[order[at:at + batch]])
        rise = max(1, steps // 20)
        adam.set(rate * min((i + 1) / rise, 0.05 + 0.95 * (0.5 + 0.5 * math.cos(math.pi * i / steps))), i)
        graph.replay() if cuda else step()
        if (i + 1) % max(1, steps // 20) == 0 or i == steps - 1:
            loss_now = value.item()
            first = first or loss_now
            say(f"step {i + 1} of {steps}: loss {loss_now:.4f}, {batch * rows.shape[1] * (i + 1) / (time.time() - begun):.0f} tokens/s")
            if not math.isfinite(loss_now):
                raise ValueError(f"the loss is {loss_now} at step {i + 1}; a lower rate may help")
        if check and every and (i + 1) % every == 0:
            say(f"check {i + 1}: {check(model)}")
    return first, loss_now


def uncompiled():
    return torch.compiler.set_stance("force_eager") if hasattr(torch, "compiler") else contextlib.nullcontext()


@torch.no_grad()
def measure(model, rows, teacher=None, batch=16):
    """Perplexity of the replies' tokens in held-out rows and, with a teacher, the KL divergence from it there."""
    device = next(model.parameters()).device
    nll = kl = n = 0.0
    for part in np.array_split(rows, max(1, len(rows) // batch)):
        ids, weight = unpack(torch.from_numpy(part.astype(np.int32)).to(device))
        mark = (weight[:, 1:] == 1).flatten()
        with uncompiled(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logs = model(ids)[:, :-1].flatten(0, 1)[mark].float().log_softmax(-1)
            want = teacher(ids)[:, :-1].flatten(0, 1)[mark].float().log_softmax(-1) if teacher else logs
        nll -= logs.gather(1, ids[:, 1:].reshape(-1)[mark][:, None]).sum().item()
        kl += (want.exp() * (want - logs)).sum().item()
        n += mark.sum().item()
    return {"perplexity": round(math.exp(nll / n), 4), "kl": round(kl / n, 5)}
