"""Jinja2 set up as Hugging Face's transformers sets it up for chat templates."""

import datetime
import json

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox


class Raised(Exception):
    """What a template that calls raise_exception ends in."""


class Generation(jinja2.ext.Extension):
    """{% generation %}: marks what the assistant wrote; renders as itself."""

    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_render"), [], [], body).set_lineno(line)

    def _render(self, caller):
        return caller()


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise Raised(message)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda layout: datetime.datetime.now().strftime(layout)
    del env.globals["lipsum"]  # not offered here
    return env


def outcome(env, template, variables):
    """The text of a template, what it raised, or how it failed."""
    try:
        return {"text": env.from_string(template).render({"tools": None, "documents": None, **variables})}
    except Raised as e:
        return {"raised": str(e)}
    except Exception as e:
        return {"error": f"{type(e).__name__}: {e}"}
