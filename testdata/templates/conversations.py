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
