// Package template renders the Jinja chat templates that come with
// checkpoints, as Hugging Face's transformers does: Jinja2's immutable sandbox
// with trim_blocks, lstrip_blocks, loop controls, raise_exception, the
// generation tag and a tojson that is json.dumps(ensure_ascii=False).
//
// It is an interpreter of our own because no Go library was enough. Tried was
// gonja v2.9.1 with trim_blocks, lstrip_blocks and Unicode trimming put in: 180
// of the 210 goldens matched. The others need key order kept through tojson
// (its own sorts keys and escapes <, > and &) and Python's idea of white space;
// both could be replaced, but two things could not. A template is data out of a
// downloaded file, and a macro calling itself, or a few million parentheses,
// overflow gonja's stack, which in Go ends the process past any recover; and
// nothing in it bounds steps, memory or time. It also reads Go methods and
// fields through reflection, fails on a key missing from a missing value where
// Jinja says which, and prints None inside lists as nothing.
//
// How the files divide: lexer and parser make a tree (ast.go), machine.go walks
// statements, eval.go expressions, budget.go counts what a render may spend;
// filters, tests and methods are tables by name. Values are Go's nil, bool,
// int64, float64 and string, and the types of value.go; all but namespaces are
// immutable, so no value can contain itself.
//
// Left out, and an error when used: include, import, extends, block, recursive
// loops, and the methods that change a list or a dict (the sandbox refuses
// those as well).
package template
