"""Byte-level BPE in Llama 3's layout: training, encoding, and tokenizer.json with what lies beside it."""
import collections, json, re

# The published pattern, and the same for Python's re, which has no \p.
PATTERN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_split = re.compile(PATTERN.replace(r"[^\r\n\p{L}\p{N}]", r"(?:[^\r\n\w]|_)").replace(r"[^\s\p{L}\p{N}]", r"(?:[^\s\w]|_)")
                    .replace(r"\p{L}", r"[^\W\d_]").replace(r"\p{N}", r"\d"))
SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
TEMPLATE = ("{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
            "message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
            "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
            "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}")


def _bytes():
    """Printable characters for the 256 bytes: themselves where they print, else from U+0100 on."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return {b: chr(b) for b in keep} | {b: chr(256 + i) for i, b in enumerate(sorted(set(range(256)) - set(keep)))}


BYTE = _bytes()


def spelled(word):
    return "".join(BYTE[b] for b in word.encode())


def train(texts, size):
    """Merges the commonest pairs until bytes, merges and special tokens are `size` tokens. Ties go to the pair that sorts first."""
    words = [[list(spelled(w)), n] for w, n in sorted(collections.Counter(w for t in texts for w in _split.findall(t)).items())]
    count, where = collections.Counter(), collections.defaultdict(set)
    for i, (w, n) in enumerate(words):
        for pair in zip(w, w[1:]):
            count[pair] += n
            where[pair].add(i)
    vocab = {c: i for i, c in enumerate(sorted(BYTE.values()))}
    merges = []
    while len(vocab) < size - len(SPECIAL):
        best = max(count, key=lambda p: (count[p], [-ord(c) for c in "".join(p)], -len(p[0])), default=None)
        if best is None or count[best] < 1:
            raise ValueError(f"the text holds too few different words for {size} tokens; it gives {len(vocab) + len(SPECIAL)}")
        merges.append(best)
        vocab.setdefault("".join(best), len(vocab))
        for i in sorted(where.pop(best)):
            w, n = words[i]
            for pair in zip(w, w[1:]):
                count[pair] -= n
            words[i][0] = w = merge(w, best)
            for pair in zip(w, w[1:]):
                count[pair] += n
                where[pair].add(i)
        count = +count
    return {"vocab": vocab, "merges": merges}


def merge(w, pair):
    out, i = [], 0
    while i < len(w):
        if i + 1 < len(w) and (w[i], w[i + 1]) == pair:
            out.append(w[i] + w[i + 1])
            i += 2
        else:
            out.append(w[i])
            i += 1
    return out


class Tokenizer:
    """Encodes as `mil` does; words are looked up once."""

    def __init__(self, trained):
        self.vocab, self.merges = trained["vocab"], [tuple(m) for m in trained["merges"]]
        self.rank = {m: i for i, m in enumerate(self.merges)}
        self.special = {s: len(self.vocab) + i for i, s in enumerate(SPECIAL)}
        self.size = len(self.vocab) + len(SPECIAL)
        self.words = {}

    def encode(self, text):
        ids = []
        for w in _split.findall(text):
            if w not in self.words:
                self.words[w] = self.word(spelled(w))
            ids += self.words[w]
        return ids

    def word(self, w):
        if w in self.vocab:
            return [self.vocab[w]]
        w = list(w)
        while len(w) > 1:
            best = min(zip(w, w[1:]), key=lambda p: self.rank.get(p, len(self.rank)))
            if best not in self.rank:
                break
            w = merge(w, best)
        return [self.vocab[c] for c in w]

    def decode(self, ids):
        """The text of ids, without special tokens."""
        names, byte = {i: c for c, i in self.vocab.items()}, {c: b for b, c in BYTE.items()}
        return bytes(byte[c] for i in ids if i in names for c in names[i]).decode(errors="replace")

    def render(self, turns):
        """Ids of a conversation, and 1 for each that a reply is made of."""
        begin, _, header, end, eot = self.special.values()
        ids, reply = [begin], [0]
        for turn in turns:
            for role, text in zip(("user", "assistant"), turn):
                head = [header, *self.encode(role), end, *self.encode("\n\n")]
                body = [*self.encode(text), eot]
                ids += head + body
                reply += [0] * len(head) + [int(role == "assistant")] * len(body)
        return ids, reply

    def save(self, folder):
        """Writes tokenizer.json and tokenizer_config.json."""
        begin = SPECIAL[0]
        added = [{"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                 for s, i in self.special.items()]
        split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
        level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
        one = [{"SpecialToken": {"id": begin, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        post = {"type": "TemplateProcessing", "single": one,
                "pair": one + [{"SpecialToken": {"id": begin, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {begin: {"id": begin, "ids": [self.special[begin]], "tokens": [begin]}}}
        model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                 "fuse_unk": False, "byte_fallback": False, "ignore_merges": True, "vocab": self.vocab, "merges": self.merges}
        whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "post_processor": post,
                 "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, "model": model}
        with open(f"{folder}/tokenizer.json", "w") as f:
            json.dump(whole, f, ensure_ascii=False, separators=(",", ":"))
        with open(f"{folder}/tokenizer_config.json", "w") as f:
            json.dump({"bos_token": begin, "eos_token": SPECIAL[-1], "chat_template": TEMPLATE,
                       "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 131072}, f, indent=1)


def load(path):
    """The tokenizer of a tokenizer.json that save wrote."""
    with open(path) as f:
        return Tokenizer(json.load(f)["model"])
