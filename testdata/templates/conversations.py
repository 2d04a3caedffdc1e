"""Conversations that the templates in models/ are rendered with."""

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "  Weather of a place.\nUnits as <b>asked</b> & \"given\" – ünïcode 🙂  ",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City, e.g. 東京"},
                "days": {"type": "integer", "default": 1},
                "units": {"type": "string", "enum": ["c", "f"], "default": "c"},
                "tags": {"type": "array", "items": {"type": ["string", "null"]}},
                "where": {"type": "object", "properties": {"z": {"type": "number"}, "A": {"type": "boolean"}, "b": {}}},
            },
            "required": ["location"],
        },
        "return": {"type": "string"},
    },
}
PLAIN = {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "abcd01234", "type": "function", "function": {"name": "get_weather", "arguments": {"location": "Zürich", "days": 2.0, "z": None, "a": [True, 1e-7]}}}
PLAN = {
    "type": "function",
    "function": {
        "name": "plan",
        "description": "Plans a trip",
        "parameters": {
            "type": "object",
            "properties": {
                "stops": {"type": "array", "items": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"], "default": None}}, "required": ["city"]}},
                "mode": {"anyOf": [{"type": "string", "enum": ["car", "train"]}, {"type": "null"}], "default": "car"},
                "Price": {"type": "number", "minimum": 0.5, "maximum": 1e6},
            },
            "required": ["stops", "Price"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
PLAN_CALL = {"id": "ijkl98765", "type": "function", "function": {"name": "plan", "arguments": {"stops": [{"city": "O'Hare \"x\"", "days": None}], "Price": 12, "u": "line\nbreak"}}}
TEXT_CALL = {"id": "efgh56789", "function": {"name": "now", "arguments": "{\"x\":1}"}}


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


TALKS = [
    [turn("user", "Hi")],
    [turn("system", "Be brief."), turn("user", "  Hi \u2003\n"), turn("assistant", "\nHello!\t"), turn("user", "Bye\x1c")],
    [turn("user", "a"), turn("user", "b")],
    [turn("assistant", "first"), turn("user", "b")],
    [turn("user", "q"), turn("assistant", "<think>\nhm\n\n</think>\n\nanswer"), turn("user", "again"), turn("assistant", "<think>x</think>y")],
    [turn("user", "weather?"), turn("assistant", "", tool_calls=[CALL]), turn("tool", "sunny", tool_call_id="abcd01234"), turn("assistant", "Sunny."), turn("user", "thanks")],
    [turn("user", "two"), turn("assistant", None, tool_calls=[CALL, TEXT_CALL]), turn("tool", "{\"t\": 1}", tool_call_id="abcd01234"), turn("tool", "now", tool_call_id="efgh56789")],
    [turn("user", [{"type": "text", "text": " look "}, {"type": "image"}, {"type": "text", "text": "here"}]), turn("assistant", "ok", reasoning_content="because\n")],
    [turn("system", "S"), turn("user", "日本語 🙂 \u200b\ufeff"), turn("assistant", "ΑΣ ß"), turn("user", "{{ not a template }} {% if %}")],
    [turn("user", "x"), {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}],
    [turn("user", ""), turn("assistant", " "), turn("user", "line\r\nline\rline\n")],
    [turn("critic", 5), turn("user", 7)],
]

CONVERSATIONS = [
    {"messages": talk, "add_generation_prompt": prompt, **more}
    for talk in TALKS
    for prompt, more in [
        (True, {}),
        (False, {"tools": [WEATHER, PLAIN]}),
        (True, {"tools": [PLAIN], "enable_thinking": False}),
    ]
] + [{"messages": TALKS[0]}, {"messages": TALKS[1], "tools": []}]

# Tools with calls and answers, documents, and the switches that some models have.
CONVERSATIONS += [
    {"messages": [turn("system", " Sys /no_think"), turn("user", "go"), turn("assistant", "on it", tool_calls=[CALL, PLAN_CALL]), turn("tool", "{\"a\": 1}", tool_call_id="abcd01234"), turn("tool", "r2", tool_call_id="ijkl98765"), turn("assistant", "<think>a</think> done ")], "tools": [WEATHER, PLAN], "add_generation_prompt": False},
    {"messages": [turn("user", "go /think"), turn("assistant", "a [BEGIN FINAL RESPONSE]\n b"), turn("user", "on"), turn("assistant", "c [BEGIN FINAL RESPONSE] d", tool_calls=[TEXT_CALL])], "tools": [PLAN], "add_generation_prompt": False, "continue_final_message": True},
    {"messages": [turn("system", [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]), turn("user", "q")], "tools": [PLAN], "documents": [{"doc_id": 1, "title": "T", "text": "Body <b> ü"}, {"doc_id": 2, "text": ""}], "add_generation_prompt": True},
    {"messages": [turn("system", "{'reasoning': False}"), turn("user", "q")], "documents": [{"doc_id": 1, "text": "x"}], "available_tools": [PLAIN["function"]], "add_generation_prompt": True},
    {"messages": [turn("user", "go"), turn("assistant", "x", tool_calls=[PLAN_CALL]), turn("tool", {"k": [1, 2.5, None, True]}, tool_call_id="ijkl98765"), turn("user", "and?")], "tools": [PLAN], "add_generation_prompt": True},
    {"messages": [], "add_generation_prompt": True},
]
