// Package jinja renders the Jinja chat templates that come with
// checkpoints, as Hugging Face's transformers does: Jinja2's immutable sandbox
// with trim_blocks, lstrip_blocks, loop controls, raise_exception,
// strftime_now, the generation tag and a tojson that is
// json.dumps(ensure_ascii=False).
//
// # How it was compared
//
// Jinja2 3.1.6, set up as transformers sets it up, rendered the same templates.
// A render counts where the text is the same byte for byte, or where both fail,
// with the same message if the template raised it.
//
//	                                       jinja  ardanlabs/jinja  gonja
//	                                                      v1.12.0  v2.9.1
//	210 goldens of Zephyr, Llama 3 to 3.2    210              204     180
//	304 renders of testdata/templates        304              284     114
//	1,322 expressions and small templates  1,322              956     844
//	1,558 renders of 41 public templates   1,558            1,351     707
//	475 renders of ardanlabs/jinja's tests   475              450     218
//
// The first three are tests here, but for Llama's goldens, whose licence keeps
// them out of the repository; testdata/templates has grown to 484 renders and
// 1,325 small templates since. The last two were compared once, in December 2026.
// The public templates are those in the repositories ardanlabs/jinja,
// chujiezheng/chat_templates and google/minja and the four of the goldens, each
// with the first 38 conversations of testdata/templates/cases.json. The last row
// is the 25 requests and 19 templates that ardanlabs/jinja tests itself with.
// gonja's figures there move by a few from run to run, since its maps have no
// order.
//
// Later jinja alone was compared on 261 public templates, which llama.cpp,
// huggingface.js, minja and chat_templates keep. 50 conversations were used, 12 of
// them with nested tools, several calls, documents and the switches of reasoning.
// All 13,050 renders agree (3,033 fail in both). Among them are the templates of
// Granite 3.0 to 4.1, Nemotron-H, Nemotron Nano v2 and 3, Apriel 1.5 and 1.6,
// Qwen2 to Qwen3.5, Mistral with tools of both kinds of tokenizer, Zephyr, Llama 2
// to 3.3 and DeepSeek up to V4. Those of Falcon-H1, Falcon-Mamba, Bamba and
// Apriel-H1 were not to be had.
//
// # Why it is our own
//
// gonja is the Go library that covers most of Jinja, and ardanlabs/jinja the one
// that is made for chat templates. Both could be brought nearer. With Python's
// white space in its trim filter, a tojson that keeps the order of keys, and a
// Dict with an order, gonja has 208 of the goldens. The 6 goldens that
// ardanlabs/jinja misses are about Python's white space too. Of the 207 public
// renders that it misses, 99 are templates that fail in Python and render there.
//
// Two things cannot be changed from outside. A template is data out of a
// downloaded file. A macro that calls itself, or five million parentheses,
// overflow the stack of both, which in Go ends the process past any recover. And
// neither bounds steps or time: a loop over range(100000000000) still ran in both
// after twenty seconds, and a string that is doubled 60 times in ardanlabs/jinja,
// which bounds repetition by * alone. gonja also reads Go methods of values by
// reflection. Neither knows which bytes of its text came from outside.
//
// # How it is made
//
// How the files divide: lexer and parser make a tree (ast.go), machine.go walks
// statements, eval.go expressions, budget.go counts the work of a render;
// filters, tests and methods are tables by name. Values are Go's nil, bool,
// int64 and float64, json.Number for integers past int64, texts (str.go) and the
// types of value.go. All are immutable but namespaces, generators, which give
// their items once, and cyclers; so no value can contain itself but through a
// namespace.
//
// A text knows which of its bytes came from outside, through every filter,
// method and operator, and Render says it of the result: that is how what
// somebody typed is kept from becoming a special token, whatever the template
// does with it. A text also knows whether it is Markup, which only safe, escape
// and forceescape make.
//
// # What it leaves out
//
// These are errors where a template comes to them: arithmetic past 64 bits, tuples
// as keys, formats inside formats; the filters striptags, xmlattr, urlize, pprint,
// random and filesizeformat; encode, casefold and translate of texts; and the
// methods that change a list or a dict, which the sandbox refuses as well. These
// are errors when the template is read: include, import, extends, block and
// autoescape. A range is a list. testdata/templates holds
// the templates that were compared with Jinja2 itself.
package jinja
