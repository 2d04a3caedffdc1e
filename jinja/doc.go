// Package jinja renders the Jinja chat templates that come with
// checkpoints, as Hugging Face's transformers does: Jinja2's immutable sandbox
// with trim_blocks, lstrip_blocks, loop controls, raise_exception,
// strftime_now, the generation tag and a tojson that is
// json.dumps(ensure_ascii=False).
//
// It is an interpreter of our own because no Go library was enough. Measured
// was gonja v2.9.1, the one that covers most of Jinja, against 210 golden
// renderings of the Zephyr and Llama 3, 3.1 and 3.2 templates:
//
//   - with trim_blocks and lstrip_blocks set, 180 match;
//   - with Python's white space put into its trim filter, 186;
//   - with a tojson that keeps the order of keys and escapes neither <, > nor &,
//     over its own ordered Dict instead of Go maps, 208. The last two need its
//     items filter to walk that Dict, which it does not.
//
// These could be replaced from outside; two things could not. A template is
// data out of a downloaded file, and a macro that calls itself, or five million
// parentheses, overflow gonja's stack, which in Go ends the process past any
// recover. And nothing in it bounds steps, memory or time: 'a' * 10000000000
// was still running after a minute, a loop over range(100000000000) after
// twenty seconds. It also reads Go methods of values by reflection.
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
// Left out, and an error where a template comes to it: arithmetic past 64 bits,
// tuples as keys, formats inside formats; the filters striptags, xmlattr,
// urlize, pprint, random and filesizeformat; encode, casefold and translate of
// texts; and the methods that change a list or a dict, which the sandbox refuses
// as well. Left out, and an error when the template is read: include, import,
// extends, block and autoescape. A range is a list. testdata/templates holds
// the templates that were compared with Jinja2 itself.
package jinja
