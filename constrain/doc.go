// Package constrain keeps a model's output to a form: a regular expression, a
// choice of strings, a grammar, or JSON that follows a schema.
//
// A [Grammar] is compiled once, from [Schema], [Regex], [Choice], [GBNF], [JSON],
// or by a [Builder] from expressions. [Grammar.Matcher] follows one output over a
// [Vocabulary]: [Matcher.Mask] says which tokens may come next, [Matcher.Accept]
// reads one, [Matcher.Back] takes some back, and [Matcher.Forced] tells which
// must come.
//
// A mask never allows a token after which the output could not be completed any
// more, and it allows every other one: tokens are bytes, so a character may be
// split over tokens, and a token may span several parts of the grammar. A token
// that ends the text is allowed where the text is whole, and only there. Special
// tokens are allowed where a grammar names them ([Special]), and nowhere else.
//
// The text is matched by derivatives (Brzozowski, "Derivatives of Regular
// Expressions", 1964): a state is what may still follow, as an expression, and
// reading a byte gives another expression. Equal expressions are one, and what a
// byte does to them is kept in tables that grow as they are asked for. Rules may
// call themselves: what follows a call stands behind it in the expression, so
// the expression is the parser's stack, and alternatives that begin alike share
// what follows them.
package constrain
