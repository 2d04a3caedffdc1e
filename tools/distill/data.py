"""Rows of tokens to train on, the held-out text and the questions; all from seeds, so that nothing of it needs keeping."""
import json, os, random
import numpy as np
import bpe, talk

CORPUS = 4000      # conversations a tokenizer is trained on
TRAIN, HELD = 1000, 1  # first seeds of the two


def tokenizer(size, seed=0):
    r = random.Random(seed)
    texts = [s for _ in range(CORPUS) for turn in talk.draw(r, talk.KINDS)[1] for s in ("user", *turn, "assistant", "\n\n")]
    return bpe.Tokenizer(bpe.train(texts, size))


def row(tok, r, length, long):
    """Whole conversations, packed into one row: ids and reply marks of `length`. What does not fit at its end is left
    to short ones, then to padding that counts for nothing."""
    ids, reply, misses = [], [], 0
    if long:
        ids, reply = fitting(tok, r, length, talk.LONG)
    while misses < 4 and length - len(ids) > 16:
        more, marks = tok.render(talk.draw(r, talk.KINDS)[1])
        if len(ids) + len(more) <= length:
            ids, reply = ids + more, reply + marks
        else:
            misses += 1
    while length - len(ids) > 32:
        more, marks = tok.render([talk.add(r)])
        if len(ids) + len(more) > length:
            break
        ids, reply = ids + more, reply + marks
    pad = length - len(ids)
    return ids + [tok.special[bpe.SPECIAL[1]]] * pad, reply + [2] * pad


def fitting(tok, r, length, kinds):
    while True:
        ids, reply = tok.render(talk.draw(r, kinds)[1])
        if len(ids) <= length:
            return ids, reply


def rows(tok, seed, n, length):
    """n rows as uint16 [n][length]: ids, with a reply's mark at bit 14 and padding's at bit 15. Rows of over 1,024
    tokens begin with a long conversation."""
    r, out = random.Random(seed), np.empty((n, length), np.uint16)
    for i in range(n):
        ids, reply = row(tok, r, length, length > 1024)
        out[i] = np.asarray(ids, np.uint16) | np.asarray(reply, np.uint16) << 14
    return out


def write_rows(path, tokenizer_path, seed, n, length):
    np.save(path, rows(bpe.load(tokenizer_path), seed, n, length))


def text(seed, n):
    """n conversations as the template renders them, without needles, which are little else than filler."""
    r, kinds = random.Random(seed), {k: v for k, v in talk.KINDS.items() if k != "needle"}
    said = lambda role, s: f"<|start_header_id|>{role}<|end_header_id|>\n\n{s}<|eot_id|>"
    return "".join(said("user", q) + said("assistant", answer) for _ in range(n) for q, answer in talk.draw(r, kinds)[1])


def questions(seed, each):
    """The last turn of `each` conversations a kind, as `mil eval --qa` asks them. Tales have no one right answer."""
    r, out = random.Random(seed), []
    for kind in ("math", "fact", "copy", "memo", "read", "needle"):
        for _ in range(each):
            turns = talk.KINDS[kind][1](r)
            messages = [{"role": role, "content": s} for turn in turns for role, s in zip(("user", "assistant"), turn)]
            out.append({"kind": kind, "messages": messages[:-1], "answer": messages[-1]["content"]})
    return "".join(json.dumps(q) + "\n" for q in out)
