"""Tables and plots of what was run: from the output folder, or from the runs.json that an earlier report left."""
import glob, json, math, os, re

SHARES = [("50", "1/2"), ("25", "1/4"), ("12", "1/8"), ("0", "none")]
KINDS = [("mamba2", "Mamba-2"), ("mamba1", "Mamba")]
STARTS = [("", "reused"), ("-random", "random")]


def collect(out):
    """Everything by model: its run, its scores by type, and how often drafts are accepted."""
    if os.path.exists(f"{out}/runs.json"):
        with open(f"{out}/runs.json") as f:
            return json.load(f)
    runs = {}
    for path in sorted(glob.glob(f"{out}/models/*/run.json")):
        with open(path) as f:
            run = json.load(f)
        runs[run["name"]] = dict(run, scores={})
    for path in sorted(glob.glob(f"{out}/results/*.json")):
        with open(path) as f:
            result = json.load(f)
        run = runs[result["model"]]
        if "drafts" in result:
            run["drafts"] = result["drafts"]
        else:
            run["scores"][result["type"]] = {
                "bytes": result["bytes"], "perplexity": round(result["text"]["perplexity"], 4), "tokens": result["text"]["tokens"],
                "demo": result["demo"]["qa"]["kinds"], "questions": result["questions"]["qa"]["kinds"],
                "needle": {g["lengths"][0]: [sum(g["found"][0]), g["asked"] * len(g["depths"])] for g in result.get("needle", [])}}
    return json.loads(json.dumps(runs))


def right(kinds):
    return f"{sum(k['correct'] for k in kinds)}/{sum(k['asked'] for k in kinds)}"


def cells(run):
    """A table's row behind the model's name."""
    scores = [run["scores"].get(t) for t in ("f32", "q4_k_m")]
    each = lambda f: [f(s) if s else "" for s in scores]
    lengths = list(scores[0]["needle"]) if scores[0] else []
    found = lambda s: " ".join(str(s["needle"][n][0]) for n in lengths)
    return [f"{run['after']['perplexity']:.3f}", f"{run['after']['kl']:.3f}", *each(lambda s: f"{s['perplexity']:.3f}"),
            *each(lambda s: right(s["demo"])), *each(lambda s: right(s["questions"])), *each(found)]


def table(head, rows):
    line = lambda cells: "| " + " | ".join(map(str, cells)) + " |"
    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)]) + "\n"


def write(out, where=None):
    """Writes runs.json, report.md and the plots into the folder `where`, else into `out`."""
    runs, where = collect(out), where or out
    os.makedirs(where, exist_ok=True)
    named = [(f"{kind} {share}, {start}", f"{k}-{s}{r}") for k, kind in KINDS for s, share in SHARES for r, start in STARTS]
    head = ["model", "perplexity of replies", "KL", "of the text, f32", "q4_k_m", "eval.jsonl, f32", "q4_k_m", "own questions, f32", "q4_k_m",
            "needles, f32", "q4_k_m"]
    parts = [table(head, [[label, *cells(runs[n])] for label, n in [("teacher", "teacher")] + named if n in runs])]
    kinds = [k["kind"] for k in next((r["scores"]["f32"]["demo"] for r in runs.values() if r["scores"].get("f32")), [])]
    parts.append(table(["model", *kinds], [[label] + [k["correct"] for k in runs[n]["scores"]["f32"]["demo"]] for label, n in [("teacher", "teacher")] + named
                                          if n in runs and runs[n]["scores"].get("f32")]))
    rest = [n for n in runs if n != "teacher" and n not in dict(named).values()]
    parts.append(table(["model", "perplexity of replies", "KL", "text, f32", "eval.jsonl, f32"],
                       [[n, *cells(runs[n])[:3], cells(runs[n])[4]] for n in rest]))
    drafts = sorted({d for r in runs.values() for d in r.get("drafts", {})}, key=int)
    parts.append(table(["model", *[f"{d} layer{'s' * (d != '1')}" for d in drafts]],
                       [[n] + ["{acceptance:.2f}, {tokens_per_pass:.2f}".format(**runs[n]["drafts"][d]) for d in drafts]
                        for n in runs if runs[n].get("drafts")]))
    parts.append(table(["model", "parameters", "tokens", "seconds"], [[n, r["parameters"], r["after"]["tokens"], r["seconds"]] for n, r in runs.items()]))
    with open(f"{where}/report.md", "w") as f:
        f.write("\n".join(parts))
    if not os.path.exists(f"{out}/runs.json"):
        # A line for each point of a curve.
        text = re.sub(r'\{\s+"tokens": (\d+),\s+"perplexity": ([\d.]+),\s+"kl": ([-\d.e]+)\s+\}',
                      r'{"tokens": \1, "perplexity": \2, "kl": \3}', json.dumps(runs, indent=1))
        text = re.sub(r'\{\s+"kind": ("\w+"),\s+"correct": (\d+),\s+"asked": (\d+)\s+\}', r'{"kind": \1, "correct": \2, "asked": \3}', text)
        with open(f"{where}/runs.json", "w") as f:
            f.write(text + "\n")
    draw(runs, where)


def draw(runs, where):
    shares = [s for s, _ in SHARES if f"mamba2-{s}" in runs]
    if not shares:
        return
    lines = [(f"{kind}, {start}", [(i, runs[f"{k}-{s}{r}"]) for i, s in enumerate(shares) if f"{k}-{s}{r}" in runs])
             for k, kind in KINDS for r, start in STARTS if f"{k}-{shares[0]}{r}" in runs]
    names = [dict(SHARES)[s] for s in shares]
    asked = lambda r: sum(k["asked"] for k in r["scores"]["f32"]["demo"])
    good = lambda r: 100 * sum(k["correct"] for k in r["scores"]["f32"]["demo"]) / asked(r)
    plot(f"{where}/perplexity.svg", "Perplexity of replies, by layers that attend", [(l, [(x, r["after"]["perplexity"]) for x, r in ps]) for l, ps in lines]
         + [("teacher", [(x, runs["teacher"]["after"]["perplexity"]) for x in (0, len(shares) - 1)])], names)
    plot(f"{where}/exact.svg", "Right answers of eval.jsonl in percent, f32", [(l, [(x, good(r)) for x, r in ps]) for l, ps in lines]
         + [("teacher", [(x, good(runs["teacher"])) for x in (0, len(shares) - 1)])], names)
    lengths = list(runs["teacher"]["scores"]["f32"]["needle"])
    found = lambda r: [(i, 100 * a / b) for i, (a, b) in enumerate(r["scores"]["f32"]["needle"][n] for n in lengths)]
    plot(f"{where}/needle.svg", "Needles found in percent, by tokens of the text, f32",
         [(n, found(runs[n])) for n in ("teacher", "mamba2-50", "mamba2-50-random", "mamba1-50", "mamba1-50-random") if n in runs], lengths)
    ends = lambda stage: stage["steps"] * stage["batch"] * stage["length"]
    curve = lambda r: [(p["tokens"] / 1e6, p["kl"]) for p in r["curve"] if 0 < p["tokens"] <= ends(r["stages"][0])]
    wanted = [n for n in runs if n.startswith("mamba2-50")]
    top = max(x for n in wanted for x, _ in curve(runs[n]))
    plot(f"{where}/curves.svg", "KL from the teacher on replies, by million tokens of the first stage", [(n, curve(runs[n])) for n in wanted],
         None, (0, top))


COLORS = "#1f77b4 #ff7f0e #2ca02c #d62728 #9467bd #8c564b #e377c2 #17becf".split()


def plot(path, title, lines, names=None, span=None):
    """Lines through points; x are places of `names`, or numbers within `span`. y begins at 0, or at 1 for perplexity."""
    width, height, left, top, right_, bottom = 720, 360, 56, 40, 210, 40
    low = 1.0 if "erplexity" in title else 0.0
    high = max(low + 1e-3, max(y for _, ps in lines for _, y in ps))
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(m for m in (1, 2, 5, 10) if step * m * 5 >= high - low)
    count = math.ceil((high - low) / step - 1e-9)
    high = low + step * count
    first, last = span or (0, max(1, len(names) - 1))
    x_ = lambda x: left + (width - left - right_) * (x - first) / (last - first)
    y_ = lambda y: height - bottom - (height - top - bottom) * (y - low) / (high - low)
    s = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
         f'<rect width="{width}" height="{height}" fill="white"/>', f'<text x="{left}" y="22" font-size="14">{title}</text>']
    for i in range(count + 1):
        y = low + step * i
        s.append(f'<path d="M{left} {y_(y):.1f}H{width - right_}" stroke="#ddd"/><text x="{left - 6}" y="{y_(y) + 4:.1f}" text-anchor="end">{y:.6g}</text>')
    ticks = list(enumerate(names)) if names else [(first + (last - first) * i / 5, f"{first + (last - first) * i / 5:.1f}") for i in range(6)]
    s += [f'<text x="{x_(x):.1f}" y="{height - bottom + 18}" text-anchor="middle">{name}</text>' for x, name in ticks]
    for i, (label, points) in enumerate(lines):
        color, y = COLORS[i % len(COLORS)], top + 18 * i
        dash = ' stroke-dasharray="5 3"' if "random" in label else ""
        s.append(f'<path d="M{" L".join(f"{x_(x):.1f} {y_(v):.1f}" for x, v in points)}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        s += [f'<circle cx="{x_(x):.1f}" cy="{y_(v):.1f}" r="3" fill="{color}"/>' for x, v in points]
        s.append(f'<path d="M{width - right_ + 14} {y}h24" stroke="{color}" stroke-width="2"{dash}/><text x="{width - right_ + 44}" y="{y + 4}">{label}</text>')
    with open(path, "w") as f:
        f.write("\n".join(s + ["</svg>"]) + "\n")
