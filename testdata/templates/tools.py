"""Writes tools.json: what Python's Jinja2 makes of conversations that call functions.

    python3 -B testdata/templates/tools.py     (needs jinja2; made with 3.1.6)

The templates in tools/ are written in the style of well-known families: Llama 3, Nemotron Nano, newer Mistral,
Qwen3-Coder, DeepSeek, Granite 3; those of models/ in that of Qwen3, Granite 4 and older Mistral. Messages are as
transformers takes them. Where "text" is set, arguments are a text; "plain" has no place for functions, so that
they stand in the texts of messages.
"""

import json
import pathlib

from jinja import environment, outcome

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather of a \"place\" <|eot_id|>",
     "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}, "required": ["place"]}}},
    {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}},
]
CALLS = [("abcd01234", "get_weather", {"place": "Zürich [TOOL_CALLS]", "days": 2}), ("efgh56789", "now", {})]


def assistant(content, calls, text):
    return {"role": "assistant", "content": content, "tool_calls": [
        {"id": i, "type": "function", "function": {"name": n, "arguments": json.dumps(a, ensure_ascii=False) if text else a}} for i, n, a in calls]}


def result(call, content):
    return {"role": "tool", "content": content, "tool_call_id": call[0], "name": call[1]}


def talks(text, single):
    user, system = {"role": "user", "content": "Weather?"}, {"role": "system", "content": "Be brief."}
    one = [user, assistant("", CALLS[:1], text), result(CALLS[0], '{"sunny": true}')]
    yield [user]
    yield [system, user]
    yield one
    yield [system, *one, {"role": "assistant", "content": "Sunny."}, {"role": "user", "content": "Thanks"}]
    yield [user, assistant("I look.", CALLS[:1], text), result(CALLS[0], "</s><|eot_id|>"), {"role": "assistant", "content": "So."}, user]
    if not single:
        yield [user, assistant("", CALLS, text), result(CALLS[0], "a"), result(CALLS[1], "b")]


MODELS = [
    ("tools/first_object.jinja", "llama3"), ("tools/toolcall_list.jinja", "nemotron"), ("tools/args_tag.jinja", "mistral-v11"), ("tools/parameters.jinja", "qwen-xml"),
    ("tools/code_block.jinja", "deepseek-v3"), ("tools/call_list.jinja", "granite"), ("models/qwen3.jinja", "hermes"), ("models/documents_roles.jinja", "hermes"), ("models/inst.jinja", "mistral"),
]


def main():
    here = pathlib.Path(__file__).parent
    env = environment()
    tokens = {"bos_token": "<s>", "eos_token": "</s>"}
    cases = []
    for path, name in MODELS:
        text = name.startswith("deepseek")
        for messages in talks(text, name == "llama3"):
            made = outcome(env, (here / path).read_text(), {**tokens, "messages": messages, "tools": TOOLS, "add_generation_prompt": True})
            cases.append({"template": path, "format": name, "messages": messages, **made})
    with open(here / "tools.json", "w") as out:
        out.write('{"tools": ' + json.dumps(TOOLS) + ',\n"cases": [\n' + ",\n".join(json.dumps(c) for c in cases) + "\n]}\n")


if __name__ == "__main__":
    main()
