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
    count = lambda r, key: sum(k[key] for k in r["scores"]["f32"]["demo"])
    good = lambda r: share(count(r, "correct"), count(r, "asked"))
    plot(f"{where}/perplexity.svg", "Perplexity of replies", "share of layers that attend", "perplexity",
         [(l, [(x, r["after"]["perplexity"]) for x, r in ps]) for l, ps in lines]
         + [("teacher", [(x, runs["teacher"]["after"]["perplexity"]) for x in (0, len(shares) - 1)])], names)
    plot(f"{where}/exact.svg", "Right answers to eval.jsonl, f32, with 95% intervals", "share of layers that attend", "right answers, percent",
         [(l, [(x, good(r)) for x, r in ps]) for l, ps in lines] + [("teacher", [(x, good(runs["teacher"])) for x in (0, len(shares) - 1)])], names)
    lengths = list(runs["teacher"]["scores"]["f32"]["needle"])
    found = lambda r: [(i, share(a, b)) for i, (a, b) in enumerate(r["scores"]["f32"]["needle"][n] for n in lengths)]
    plot(f"{where}/needle.svg", "Needles found, f32, half the layers attend, with 95% intervals", "tokens of the text", "found, percent",
         [(series(n), found(runs[n])) for n in ("teacher", "mamba2-50", "mamba2-50-random", "mamba1-50", "mamba1-50-random") if n in runs], lengths)
    ends = lambda stage: stage["steps"] * stage["batch"] * stage["length"]
    curve = lambda r: [(p["tokens"] / 1e6, p["kl"]) for p in r["curve"] if 0 < p["tokens"] <= ends(r["stages"][0])]
    wanted = [n for n in runs if n.startswith("mamba2-50")]
    top = max(x for n in wanted for x, _ in curve(runs[n]))
    plot(f"{where}/curves.svg", "KL divergence from the teacher on replies, first stage, half the layers attend", "million tokens of training",
         "KL divergence, nats a token", [(series(n), curve(runs[n])) for n in wanted], None, (0, top))


# One colour a series in every plot, told apart by most eyes (Okabe and Ito, "Color Universal Design", 2008).
COLORS = {"teacher": "#1f2328", "Mamba-2, reused": "#0072b2", "Mamba-2, random": "#56b4e9", "Mamba, reused": "#d55e00", "Mamba, random": "#e69f00",
          "frozen": "#009e73", "frozen, random": "#7bccb5", "plain": "#cc79a7", "plain, random": "#e3b6ce", "slow": "#6f42c1", "slow, random": "#b9a2e6"}


def series(run):
    """The name of a run's series, by which its colour is known."""
    if run == "teacher":
        return run
    kind, _, *rest = run.split("-")
    start = "random" if rest[-1:] == ["random"] else "reused"
    rest = [r for r in rest if r != "random"]
    if rest:
        return rest[0] + (", random" if start == "random" else "")
    return f"{dict(KINDS)[kind]}, {start}"


def share(found, asked):
    """Percent, and the ends of its 95% interval (Wilson, 1927)."""
    p, z = found / asked, 1.96
    middle, half = p + z * z / (2 * asked), z * math.sqrt(p * (1 - p) / asked + z * z / (4 * asked * asked))
    return 100 * p, 100 * max(0, (middle - half) / (1 + z * z / asked)), 100 * min(1, (middle + half) / (1 + z * z / asked))


def plot(path, title, across, up, lines, names=None, span=None):
    """Lines through points (x, y) or (x, (y, least, most)); x are places of `names`, or numbers within `span`. `across` and `up`
    are the axes' labels. y begins at 0, or at 1 for perplexity. The background and the text's colour are set, so that a dark
    page shows both."""
    lines = [(label, [(x, y if isinstance(y, tuple) else (y, y, y)) for x, y in points]) for label, points in lines]
    width, height, left, top, right_, bottom = 720, 380, 72, 44, 210, 60
    low = 1.0 if "erplexity" in title else 0.0
    high = max(low + 1e-3, max(y[2] for _, ps in lines for _, y in ps))
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(m for m in (1, 2, 5, 10) if step * m * 5 >= high - low)
    count = math.ceil((high - low) / step - 1e-9)
    high = low + step * count
    first, last = span or (0, max(1, len(names) - 1))
    inset = 20 if names else 0
    x_ = lambda x: left + inset + (width - left - right_ - 2 * inset) * (x - first) / (last - first)
    y_ = lambda y: height - bottom - (height - top - bottom) * (y - low) / (high - low)
    s = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" font-family="sans-serif" '
         'font-size="12" fill="#1f2328">', f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
         f'<text x="{left}" y="24" font-size="14" font-weight="bold">{title}</text>',
         f'<text x="{(left + width - right_) / 2:.0f}" y="{height - 18}" text-anchor="middle">{across}</text>',
         f'<text transform="translate(18 {(top + height - bottom) / 2:.0f}) rotate(-90)" text-anchor="middle">{up}</text>']
    for i in range(count + 1):
        y = low + step * i
        s.append(f'<path d="M{left} {y_(y):.1f}H{width - right_}" stroke="#d8dee4"/><text x="{left - 6}" y="{y_(y) + 4:.1f}" text-anchor="end">{y:.6g}</text>')
    ticks = list(enumerate(names)) if names else [(first + (last - first) * i / 5, f"{first + (last - first) * i / 5:.1f}") for i in range(6)]
    s += [f'<text x="{x_(x):.1f}" y="{height - bottom + 18}" text-anchor="middle">{name}</text>' for x, name in ticks]
    for i, (label, points) in enumerate(lines):
        color, y = COLORS[label], top + 18 * i
        aside = (i - (len(lines) - 1) / 2) * 3 if names else 0  # so that intervals at one place do not cover each other
        dash = ' stroke-dasharray="5 3"' if "random" in label else ""
        s.append(f'<path d="M{" L".join(f"{x_(x) + aside:.1f} {y_(v[0]):.1f}" for x, v in points)}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        for x, v in points:
            if v[1] != v[2]:
                s.append(f'<path d="M{x_(x) + aside:.1f} {y_(v[1]):.1f}V{y_(v[2]):.1f}" stroke="{color}"/>')
            s.append(f'<circle cx="{x_(x) + aside:.1f}" cy="{y_(v[0]):.1f}" r="3" fill="{color}"/>')
        s.append(f'<path d="M{width - right_ + 14} {y}h24" stroke="{color}" stroke-width="2"{dash}/><text x="{width - right_ + 44}" y="{y + 4}">{label}</text>')
    with open(path, "w") as f:
        f.write("\n".join(s + ["</svg>"]) + "\n")
