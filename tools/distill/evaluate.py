"""Scores of a checkpoint, through `mil` itself."""
import json, os, subprocess, tempfile

QUESTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../testdata/demo/eval.jsonl")


def mil(o, *args):
    done = subprocess.run([o.mil, *args], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{o.mil} {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def packed(o, name, kind, folder):
    path = f"{folder}/{name}-{kind}.bin"
    mil(o, "convert", f"{o.out}/models/{name}", "-o", path, "--type", kind)
    return path


def evaluate(o):
    """Perplexity of the held-out text, both sets of questions, and needles; o.name is MODEL:TYPE."""
    (name, kind), p = o.name.split(":"), o.plan
    with tempfile.TemporaryDirectory(dir=o.out) as folder:
        path = packed(o, name, kind, folder)
        score = lambda *args: json.loads(mil(o, "eval", path, "--backend", "cpu", "--threads", "1", "--json", *args))
        out = {"model": name, "type": kind, "bytes": os.path.getsize(path),
               "text": score("-f", f"{o.out}/held.txt", "--special", "--ctx", str(p.short)),
               "demo": score("--qa", QUESTIONS), "questions": score("--qa", f"{o.out}/questions.jsonl")}
        if not p.aside(name):
            out["needle"] = [score("--needle", "--ctx", str(n + 160), "--needle-lengths", str(n), "--needle-runs", str(runs))["needle"]
                             for n, runs in p.needles]
    finish(o, f"{name}-{kind}", out)


def accept(o):
    """Acceptance of every draft on a hybrid, both in 8 bits, 4 tokens ahead, on the benchmark's tales."""
    out = {"model": o.name, "drafts": {}}
    with tempfile.TemporaryDirectory(dir=o.out) as folder:
        path = packed(o, o.name, "q8_0", folder)
        for n in o.plan.drafts:
            draft = packed(o, f"draft-{n}", "q8_0", folder)
            args = "--backend cpu --threads 1 --draft-k 4 --gen 160 --runs 1 --json".split()
            got, = json.loads(mil(o, "bench", path, "--draft", draft, *args))
            out["drafts"][n] = {k: got[k] for k in ("acceptance", "tokens_per_pass", "k")} | {
                "same": all(r["same"] for r in got["replies"]), "tokens": sum(r["tokens"] for r in got["replies"])}
    finish(o, f"{o.name}-accept", out)


def finish(o, name, out):
    path = f"{o.out}/results/{name}.json"
    with open(path + ".part", "w") as f:
        json.dump(out, f, indent=1)
    os.replace(path + ".part", path)
