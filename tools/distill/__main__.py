"""Makes the demo's kind of model from nothing: conversations, tokenizer, teacher, hybrids, drafts, and their scores.

    python3 tools/distill all --out DIR [--plan full|smoke] [--mil ./mil]   everything that is not made yet
    python3 tools/distill report --out DIR [--to FOLDER]                    the tables again, from DIR or its runs.json
    python3 tools/distill check                                             the GPU's scan against its definition
"""
import argparse, contextlib, glob, json, os, shutil, sys, time
import numpy as np
import bpe, data, jobs, plan as plans

SEED = 1


def pool(o, length):
    return np.concatenate([np.load(f) for f in sorted(glob.glob(f"{o.out}/rows/{length}-*.npy"))])


def read(path):
    with open(path) as f:
        return json.load(f)


def write(path, text):
    """Appears whole or not at all: that it is there says that it is done."""
    with open(path + ".part", "w") as f:
        f.write(text)
    os.replace(path + ".part", path)


def prepare(o):
    """The tokenizer, the held-out text and rows, and the questions."""
    p = o.plan
    for folder in ("tokenizer", "rows", "models", "results"):
        os.makedirs(f"{o.out}/{folder}", exist_ok=True)
    tok = data.tokenizer(p.vocab)
    write(f"{o.out}/held.txt", data.text(data.HELD, p.held))
    write(f"{o.out}/questions.jsonl", data.questions(data.HELD, p.each))
    np.save(f"{o.out}/rows/held.npy", data.rows(tok, data.HELD, p.held_rows, p.short))
    tok.save(f"{o.out}/tokenizer")


def rows(o, name):
    length, i = map(int, name.split("-"))
    data.write_rows(f"{o.out}/rows/{name}.npy", f"{o.out}/tokenizer/tokenizer.json", data.TRAIN + (length << 8) + i, o.plan.shard // length, length)


def train(o, name):
    """Trains the teacher, a hybrid or a draft through both stages and saves it with what happened on the way."""
    import torch
    import checkpoint, model, train as t
    p, begun = o.plan, time.time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    run = next((r for r in p.runs if r.name == name), None)
    known = ["teacher"] + [r.name for r in p.runs] + [f"draft-{n}" for n in p.drafts]
    if name not in known:
        raise SystemExit(f"the plan {o.plan_name} has no {name!r}; it has {', '.join(known)}")
    torch.manual_seed(SEED)
    shape = dict(vocab_size=p.vocab, d_model=p.d_model, n_layer=p.n_layer, n_head=p.n_head, n_kv_head=p.n_kv_head, d_ff=p.d_ff)
    if run:
        short, long, rate = p.student
        short, long, rate = round(short * run.share), round(long * run.share), rate * run.rate
        shape.update(mixer=run.mixer, attention=run.attention)
    elif name == "teacher":
        short, long, rate = p.teacher
        shape.update(attention=list(range(p.n_layer)))
    else:
        short, long, rate = p.draft
        n, less = int(name.split("-")[1]), p.d_model // p.draft_model
        shape.update(d_model=p.draft_model, n_layer=n, n_head=max(1, p.n_head // less), n_kv_head=max(1, p.n_kv_head // less),
                     d_ff=p.d_ff // less, attention=list(range(n)))
    m = model.Model(model.Config(**shape)).to(device)
    teacher = None
    if name != "teacher":
        teacher = checkpoint.load(f"{o.out}/models/teacher").to(device).requires_grad_(False)
    if run:
        parent = teacher if run.parent == "teacher" else checkpoint.load(f"{o.out}/models/{run.parent}").to(device)
        m.begin_from(parent, run.reuse, run.plain)
        for key, parameter in m.named_parameters():
            parameter.requires_grad_(not run.freeze or ".mamba." in key or ".self_attn." in key)
    held = np.load(f"{o.out}/rows/held.npy")
    curve, done = [], 0

    def check(m):
        curve.append({"tokens": done, **t.measure(m, held, teacher)})
        return curve[-1]

    log = {"name": name, "seed": SEED, "parameters": sum(x.numel() for x in m.parameters()), "rate": rate, "before": check(m), "stages": []}
    tried = f"{o.out}/fused.json"
    fused = bool(run) and device == "cuda" and os.path.exists(tried) and read(tried)[run.mixer]
    if fused:
        t.compiled(m, teacher)
    for length, steps in ((p.short, short), (p.long, long)):
        if steps:
            loss = t.distil(teacher, fused=fused) if teacher is not None else t.learn
            batch, start, at = p.batch // length, time.time(), done
            every = max(1, steps // p.checks)

            def at_step(m):
                nonlocal done
                done += every * batch * length
                return check(m)
            # Few steps are not worth a second compilation.
            with contextlib.nullcontext() if length == p.short else t.uncompiled():
                losses = t.fit(m, pool(o, length), loss, batch, steps, rate if length == p.short else rate / 2, seed=SEED,
                               every=every, check=at_step)
            done = at + steps * batch * length
            log["stages"].append({"length": length, "batch": batch, "steps": steps, "first_loss": losses[0], "last_loss": losses[1],
                                  "seconds": round(time.time() - start, 1), "fused": fused and length == p.short})
    log.update(after=check(m), curve=curve, seconds=round(time.time() - begun, 1))
    if device == "cuda":
        log.update(device=torch.cuda.get_device_name(), memory_gb=round(torch.cuda.max_memory_allocated() / 1e9, 1))
    folder = f"{o.out}/models/{name}"
    checkpoint.save(m, bpe.load(f"{o.out}/tokenizer/tokenizer.json"), folder)
    write(f"{folder}/run.json", json.dumps(log, indent=1))


def warm(o):
    """Tries whether training with compiled layers is the same; the compiler keeps what it made for those who follow."""
    import signal, traceback
    import torch
    import model, train as t
    p, same = o.plan, {"mamba1": False, "mamba2": False}

    def late(*_):
        raise TimeoutError(f"not compiled within {o.patience} s")

    try:
        if not torch.cuda.is_available():
            return
        signal.signal(signal.SIGALRM, late)
        signal.alarm(o.patience)
        shape = dict(vocab_size=p.vocab, d_model=p.d_model, n_layer=p.n_layer, n_head=p.n_head, n_kv_head=p.n_kv_head, d_ff=p.d_ff)
        some = data.rows(bpe.load(f"{o.out}/tokenizer/tokenizer.json"), data.HELD + 1, p.batch // p.short * 4, p.short)
        for mixer in ("mamba2", "mamba1"):
            losses = []
            for fused in (False, True):
                torch.manual_seed(SEED)
                teacher = model.Model(model.Config(**shape, attention=list(range(p.n_layer)))).cuda().requires_grad_(False)
                m = model.Model(model.Config(**shape, mixer=mixer, attention=list(range(1, p.n_layer, 2)))).cuda()
                if fused:
                    t.compiled(m, teacher)
                begun = time.time()
                losses.append(t.fit(m, some, t.distil(teacher, fused=fused), p.batch // p.short, 40, 1e-3)[1])
                print(f"{mixer} {'fused' if fused else 'eager'}: {time.time() - begun:.1f} s", flush=True)
            print(mixer, losses, flush=True)
            same[mixer] = abs(losses[1] / losses[0] - 1) < 0.02
    except Exception:
        traceback.print_exc()
    finally:
        write(f"{o.out}/fused.json", json.dumps(same))


def todo(o):
    """Every job, in the order in which they are begun where nothing waits."""
    p, out, me = o.plan, o.out, [sys.executable, os.path.dirname(os.path.abspath(__file__))]
    options = ["--out", out, "--plan", o.plan_name, "--mil", o.mil]

    def job(lane, command, name, makes, needs):
        return jobs.Job(f"{command}-{name}".strip("-"), lane, me + [command, *([name] if name else []), *options], makes, needs)
    tok = f"{out}/tokenizer/tokenizer_config.json"
    files = {n: f"{out}/rows/{n}.npy" for length, shards in ((p.short, p.shards), (p.long, p.long_shards)) for n in (f"{length}-{i:02}" for i in range(shards))}
    made = lambda name: f"{out}/models/{name}/run.json"
    drafts = [f"draft-{n}" for n in p.drafts]
    names = ["teacher"] + [r.name for r in p.runs] + drafts
    fused = f"{out}/fused.json"
    list_ = [job("cpu", "prepare", "", tok, []), job("cpu", "warm", "", fused, [tok])] + [job("cpu", "rows", n, f, [tok]) for n, f in files.items()]
    list_ += [job("gpu", "train", "teacher", made("teacher"), list(files.values()))]
    list_ += [job("gpu", "train", n, made(n), [made("teacher")]) for n in drafts]
    list_ += [job("gpu", "train", r.name, made(r.name), [made(r.parent), fused]) for r in p.runs]
    list_ += [job("cpu", "evaluate", f"{n}:{k}", f"{out}/results/{n}-{k}.json", [made(n)])
              for n in names for k in p.types[:1 if p.aside(n) else None]]
    list_ += [job("cpu", "accept", r.name, f"{out}/results/{r.name}-accept.json", [made(n) for n in drafts + [r.name]])
              for r in p.runs if r.reuse and not p.aside(r.name)]
    return list_


def everything(o):
    begun = time.time()
    if not shutil.which(o.mil):
        raise SystemExit(f"{o.mil} is no command; go build, and name it with --mil")
    if o.plan_name == "full":
        import torch
        if not torch.cuda.is_available():
            raise SystemExit("the full plan needs an NVIDIA GPU, and PyTorch sees none here; --plan smoke does not")
    jobs.run(todo(o), {"gpu": o.gpu, "cpu": o.cpu}, f"{o.out}/logs", o.until)
    import report
    report.write(o.out)
    print(f"all done after {time.time() - begun:.0f} s: {o.out}/report.md")


def check(o):
    """The Triton scan, forwards and backwards, against the definition."""
    import torch, scan
    torch.manual_seed(0)
    b, l, g, p = 2, 203, 4, 16
    args = [torch.randn(b, l, g, p), torch.rand(b, l, g, p) * 0.2, -torch.rand(g, p, p) * 8, torch.randn(b, l, g, p), torch.randn(b, l, g, p)]
    out = {}
    for device in ("cpu", "cuda"):
        a = [t.clone().to(device).requires_grad_() for t in args]
        y = scan.selective(*a)
        (y * torch.sin(torch.arange(y.numel(), device=device).view_as(y))).sum().backward()
        out[device] = [y.detach().cpu()] + [t.grad.cpu() for t in a]
    for name, want, got in zip(("y", "dx", "ddt", "dA", "dB", "dC"), out["cpu"], out["cuda"]):
        error = ((got - want).norm() / want.norm()).item()
        print(f"{name}: relative error {error:.1e}")
        if not error < 1e-4:
            raise SystemExit("the Triton scan is not what scan.selective defines")


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("command", choices=["all", "report", "check", "prepare", "warm", "rows", "train", "evaluate", "accept"])
    a.add_argument("name", nargs="?", default="")
    a.add_argument("--out", default="dist/distill/out")
    a.add_argument("--to", help="folder for the report, else --out")
    a.add_argument("--plan", dest="plan_name", default="full", choices=plans.PLANS)
    a.add_argument("--mil", default="./mil", help="the command that measures")
    a.add_argument("--gpu", type=int, default=3, help="models trained side by side")
    a.add_argument("--cpu", type=int, default=max(1, (os.cpu_count() or 1) - 3), help="other jobs side by side")
    a.add_argument("--until", type=float, help="seconds after which to stop and leave the rest to the next call")
    a.add_argument("--patience", type=int, default=100, help="seconds that trying to compile may take")
    o = a.parse_args()
    o.plan = plans.PLANS[o.plan_name]
    if o.command in ("evaluate", "accept"):
        import evaluate
        getattr(evaluate, o.command)(o)
    elif o.command == "report":
        import report
        report.write(o.out, o.to)
    elif o.command in ("rows", "train"):
        globals()[o.command](o, o.name)
    else:
        {"all": everything, "check": check, "prepare": prepare, "warm": warm}[o.command](o)


main()
