#!/usr/bin/env python3
"""Writes a small tokenizer that encodes and decodes given texts as a large one does.

    prune.py FROM TO

FROM is a folder with tokenizer.json.gz, tokenizer_config.json, golden.jsonl and
decode.jsonl. A token is kept if a golden names it or if what it spells stands in
a text; others cannot arise. Ids are numbered anew, in their order.
"""
import gzip, json, os, sys, unicodedata

source, target = sys.argv[1], sys.argv[2]
spec = json.load(gzip.open(os.path.join(source, "tokenizer.json.gz"), "rt", encoding="utf-8"))
lines = {}
for name in "golden.jsonl", "decode.jsonl":
    with open(os.path.join(source, name), encoding="utf-8") as f:
        lines[name] = [json.loads(line) for line in f]

alphabet, more = {}, 0x100
for b in range(256):
    if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or 0xAE <= b:
        alphabet[b] = chr(b)
    else:
        alphabet[b], more = chr(more), more + 1
spelled = lambda text: "".join(alphabet[b] for b in text.encode("utf-8"))
texts = [line["text"] for line in lines["golden.jsonl"]]
texts += [unicodedata.normalize("NFC", text) for text in texts]
stand = set()
for text in map(spelled, texts):
    for start in range(len(text)):
        for end in range(start + 1, min(len(text), start + 48) + 1):
            stand.add(text[start:end])
everything = "\0".join(map(spelled, texts))
stand |= {token for token in spec["model"]["vocab"] if len(token) > 48 and token in everything}

model = spec["model"]
named = {i for name in lines for line in lines[name] for i in line["ids"]}
kept = {i for token, i in model["vocab"].items() if token in stand or len(token) == 1 or i in named}
kept |= {a["id"] for a in spec["added_tokens"]}
old = sorted(kept)
new = {i: n for n, i in enumerate(old)}
beyond = {}
number = lambda i: new[i] if i in new else beyond.setdefault(i, len(new) + 100 + len(beyond))

vocab = {token: new[i] for token, i in sorted(model["vocab"].items(), key=lambda e: e[1]) if i in new}
merges = []
for merge in model["merges"]:
    left, right = merge if isinstance(merge, list) else merge.split(" ")
    if left in vocab and right in vocab and left + right in vocab and left + right in stand:
        merges.append(merge)
model["vocab"], model["merges"] = vocab, merges
spec["added_tokens"] = [dict(a, id=new[a["id"]]) for a in spec["added_tokens"] if a["id"] in new]

os.makedirs(target, exist_ok=True)
def write(name, text):
    with open(os.path.join(target, name), "wb") as f, gzip.GzipFile("", "wb", 9, f, 0) as z:
        z.write(text.encode("utf-8"))
write("tokenizer.json.gz", json.dumps(spec, ensure_ascii=False, separators=(",", ":")))
for name in lines:
    for line in lines[name]:
        line["ids"] = [number(i) for i in line["ids"]]
    write(name + ".gz", "".join(json.dumps(line) + "\n" for line in lines[name]))
with open(os.path.join(source, "tokenizer_config.json"), encoding="utf-8") as f:
    config = json.load(f)
config.pop("added_tokens_decoder", None)
with open(os.path.join(target, "tokenizer_config.json"), "w", encoding="utf-8") as f:
    json.dump(config, f, ensure_ascii=False, indent=1)
    f.write("\n")
print(target, len(vocab), "tokens", len(merges), "merges", len(spec["added_tokens"]), "added")
