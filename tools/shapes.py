#!/usr/bin/env python3
"""Prints a table of mil bench's JSON files, one model a file, in the order of measuring.

    shapes.py FILE...   (tools/gpu.sh shapes writes them)

Every second file is the model that the others are compared with: a row's shares are
also given over the mean of those of the runs before and after it."""
import json, os, sys

runs = []
for path in sys.argv[1:]:
    with open(path) as f:
        (b,) = json.load(f)
    name = os.path.basename(b["model"]).removesuffix(".bin")
    runs.append((name, b, b["results"][0]))

print("| model | on | prompt, tok/s | of int8 | over the 3B hybrid's | generation, tok/s | of reading | over the 3B hybrid's |")
print("|---|---|--:|--:|--:|--:|--:|--:|")
for i, (name, b, r) in enumerate(runs):
    row = [name, b["backend"], f"{r['prompt_tok_s']:.0f}", "", "", f"{r['gen_tok_s']:.1f}", "", ""]
    if b["backend"] == "cpu":
        row[3], row[6] = f"{r['prompt_share']:.0%}", f"{r['gen_share']:.0%}"
        near = [s for n, c, s in runs[max(0, i - 1) : i + 2] if n == runs[0][0] and c["backend"] == "cpu"]
        if name != runs[0][0] and near:
            for at, key in ((4, "prompt_share"), (7, "gen_share")):
                row[at] = f"{r[key] / (sum(s[key] for s in near) / len(near)):.2f}"
    else:  # the processor's rates bound nothing there
        row[3] = f"{r['prompt_tok_s'] * b['macs_per_token'] / 1e12:.0f} TMAC/s"
        g = r.get("gpu") or {}
        seconds = g.get("pass_s") or 1 / r["gen_tok_s"]
        row[6] = f"{r['read_bytes'] / seconds / 1e12:.2f} TB/s"
    print("| " + " | ".join(row) + " |")
