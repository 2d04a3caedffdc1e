"""Everything in miniature on a processor, and whether `mil` computes what PyTorch computes from what comes out.

    python3 tools/distill/smoke.py [MIL [FOLDER]]     what is in FOLDER already is not made again
"""
import json, os, subprocess, sys, tempfile, time
import torch
import bpe, checkpoint, data, plan, report

HERE = os.path.dirname(os.path.abspath(__file__))


def mil(*args, said=""):
    done = subprocess.run([MIL, *args], input=said, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{MIL} {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def require(what, right):
    print(("ok    " if right else "WRONG ") + what, flush=True)
    if not right:
        raise SystemExit(1)


def greedy(model, tok, question, most):
    """The likeliest reply to a question, in ids; no cache."""
    ids, _ = tok.render([(question, "")])
    ids = ids[:-1]  # the reply's end
    begin = len(ids)
    while len(ids) < begin + most:
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
        if ids[-1] == tok.special[bpe.SPECIAL[-1]]:
            break
    return ids[begin:]


def main(out):
    p = plan.SMOKE
    made = subprocess.run([sys.executable, HERE, "all", "--plan", "smoke", "--out", out, "--mil", MIL, "--gpu", "1", "--cpu", "1"])
    if made.returncode:
        raise SystemExit(made.returncode)
    tok = bpe.load(f"{out}/tokenizer/tokenizer.json")
    names = ["teacher"] + [r.name for r in p.runs] + [f"draft-{n}" for n in p.drafts]
    for name in names:
        with open(f"{out}/models/{name}/run.json") as f:
            run = json.load(f)
        stage = run["stages"][0]
        require(f"{name}: loss {stage['first_loss']:.3f} -> {stage['last_loss']:.3f}, perplexity {run['before']['perplexity']} -> "
                f"{run['after']['perplexity']}", stage["last_loss"] < stage["first_loss"] and run["after"]["perplexity"] < run["before"]["perplexity"])
        model, path = checkpoint.load(f"{out}/models/{name}"), f"{out}/{name}.bin"
        mil("convert", f"{out}/models/{name}", "-o", path, "--type", "f32", "--force")
        text = "Read this: Ada counted 9949 stars, one's  own. What's 12 + 30?"
        told = json.loads(mil("tokenize", path, "--jsonl", said=json.dumps({"text": text, "add_special": False}) + "\n"))
        require(f"{name}: mil reads the same tokens", told["ids"] == tok.encode(text))
        ids = torch.from_numpy(data.rows(tok, 7, 1, 150).astype("int64") & 0x3FFF)
        mil("logits", path, "--backend", "cpu", "--tokens", ",".join(map(str, ids[0].tolist())), "-o", f"{out}/logits.safetensors")
        got = checkpoint.read_tensors(f"{out}/logits.safetensors")["logits"]
        with torch.no_grad():
            want = model(ids)[0]
        error = float((got - want).norm() / want.norm())
        require(f"{name}: mil's logits differ by {error:.1e}", error < 1e-4)
        reply = greedy(model, tok, "What is 2 plus 3?", 24)
        said = mil("run", path, "What is 2 plus 3?", "--backend", "cpu", "--temp", "0", "--max-tokens", "24")
        require(f"{name}: mil replies {said.strip()!r}", said.strip() == tok.decode(reply).strip())


def published(out):
    """The tables and plots in the repository are what runs/h100/runs.json gives."""
    report.write(f"{HERE}/runs/h100", out)
    for name in ["report.md"] + [f"{n}.svg" for n in ("perplexity", "exact", "needle", "curves")]:
        path = f"{HERE}/runs/h100/{name}" if name == "report.md" else f"{HERE}/../../docs/distillation/{name}"
        with open(path) as a, open(f"{out}/{name}") as b:
            require(f"{os.path.relpath(path)} is current", a.read() == b.read())


if __name__ == "__main__":
    MIL, begun = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "mil"), time.time()
    with tempfile.TemporaryDirectory() as folder:
        published(folder)
    if len(sys.argv) > 2:
        main(sys.argv[2])
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(folder)
    print(f"the smoke run passed in {time.time() - begun:.0f} s")
