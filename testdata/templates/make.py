"""Writes cases.json: what Python's Jinja2 makes of the templates here.

    python3 -B testdata/templates/make.py     (needs jinja2; made with 3.1.6)

A case with "error" must fail, in whatever words; one with "raised" in those.
The templates in models/ are written in the style of well-known models (also of
Granite 4, Nemotron Nano and Apriel), except
qwen3.jinja, which is the published one (Apache-2.0); each is rendered with every
conversation.
"""

import datetime
import json
import pathlib

from conversations import CONVERSATIONS
from jinja import environment, outcome
from snippets import EXPRESSIONS, TEMPLATES, UNSUPPORTED, VARS

FORMATS = [
    "%d %b %Y", "%B %d, %Y", "%Y-%m-%d", "%H:%M:%S", "%A %a %j %U %W %V %G %u %w", "%I:%M %p", "%y%C%h%e", "%D %T %F %R",
    "%c", "%x %X", "%-d %-m %-H %-I %-j %-M %-S", "%_d|%_H|%^a|%^B", "100%% %n%t", "no directive é", "%f", "%k|%l",
]
TIMES = [(2024, 7, 26, 9, 5, 3, 45), (2000, 1, 1, 0, 0, 0, 0), (2027, 12, 31, 23, 59, 59, 999999), (2026, 11, 1, 12, 30, 0, 7)]


def main():
    here = pathlib.Path(__file__).parent
    env = environment()
    snippets = [
        {"template": t, **outcome(env, t, VARS)} for t in [f"{{{{ {x} }}}}" for x in EXPRESSIONS] + TEMPLATES
    ]
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    models = [
        {"model": path.name, "conversation": i, **outcome(env, path.read_text(), {**tokens, **c})}
        for path in sorted((here / "models").glob("*.jinja"))
        for i, c in enumerate(CONVERSATIONS)
    ]
    times = [[f, *t, datetime.datetime(*t).strftime(f)] for f in FORMATS for t in TIMES]
    lists = {"conversations": CONVERSATIONS, "unsupported": UNSUPPORTED, "snippets": snippets, "models": models, "strftime": times}
    with open(here / "cases.json", "w") as out:
        out.write('{"vars": ' + json.dumps(VARS))
        for name, rows in lists.items():
            out.write(f',\n"{name}": [\n' + ",\n".join(json.dumps(r) for r in rows) + "\n]")
        out.write("}\n")


if __name__ == "__main__":
    main()
