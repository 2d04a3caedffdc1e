package constrain

import "unicode/utf8"

// Expr is a set of texts. It is made by the functions of this package, does not
// change, and may be used in several grammars. The zero Expr is the empty text.
// What is wrong with an Expr is an error where it is compiled ([Builder.Grammar]).
type Expr struct{ e *expr }

type exprOp uint8

const (
	exprLit exprOp = iota
	exprClass
	exprSeq
	exprAlt
	exprRepeat
	exprAnd
	exprNot
	exprTerminal
	exprSpecial
	exprRule
	exprAutomaton
)

type expr struct {
	op       exprOp
	text     string // of a literal, a special token, a rule's name
	ranges   []rune // of a class, in pairs
	kids     []Expr
	min, max int // of a repetition
	rule     int // number in its builder
	of       *Builder
	auto     *automaton // from state min
}

// Lit is one text, which must be valid UTF-8.
func Lit(text string) Expr { return Expr{&expr{op: exprLit, text: text}} }

// Class is one character out of ranges, given as pairs of their first and last
// character. Surrogates, which are no characters, are left out.
func Class(ranges ...rune) Expr { return Expr{&expr{op: exprClass, ranges: ranges}} }

// Any is any one character.
func Any() Expr { return Class(0, utf8.MaxRune) }

// Text is any text, and the empty one.
func Text() Expr { return Repeat(Any(), 0, -1) }

// Seq is its parts one behind the other.
func Seq(parts ...Expr) Expr { return Expr{&expr{op: exprSeq, kids: parts}} }

// Alt is any one of its parts. Without parts it is nothing, not even the empty
// text.
func Alt(parts ...Expr) Expr { return Expr{&expr{op: exprAlt, kids: parts}} }

// Repeat is x at least min and at most max times. A max of -1 has no limit.
// Counts cost no memory before they are reached.
func Repeat(x Expr, min, max int) Expr {
	return Expr{&expr{op: exprRepeat, kids: []Expr{x}, min: min, max: max}}
}

// Optional is x or the empty text.
func Optional(x Expr) Expr { return Repeat(x, 0, 1) }

// And is the texts that are in every part. The parts may hold no rules that call
// themselves.
func And(parts ...Expr) Expr { return Expr{&expr{op: exprAnd, kids: parts}} }

// Not is the texts, of valid UTF-8, that are not in x. x may hold no rules that
// call themselves.
func Not(x Expr) Expr { return Expr{&expr{op: exprNot, kids: []Expr{x}}} }

// Terminal is x, read as a unit: what bytes do to it is computed once, wherever x
// stands. It changes speed alone, and pays for parts that stand in many places, such
// as a string of JSON with its quotes. x may hold no rules that call themselves.
func Terminal(x Expr) Expr { return Expr{&expr{op: exprTerminal, kids: []Expr{x}}} }

// Special is the special token of a vocabulary that has this text. The same text
// in other tokens is not meant: see [Lit].
func Special(text string) Expr { return Expr{&expr{op: exprSpecial, text: text}} }

// Map is x with every class of characters and every character of a literal
// replaced by what f makes of them, for instance by their spellings in a string
// of JSON. It gives f ranges in pairs, as [Class] takes them. No text that f gives
// for one character may begin a text that it gives for another, nor be in both,
// so that a text has one meaning. Special tokens and rules may not be in x; they
// are errors where the result is compiled.
func Map(x Expr, f func(ranges ...rune) Expr) Expr {
	text := Repeat(f(0, utf8.MaxRune), 0, -1)
	seen := map[*expr]Expr{}
	var walk func(x Expr) Expr
	walk = func(x Expr) Expr {
		if x.e == nil {
			return x
		}
		if y, ok := seen[x.e]; ok {
			return y
		}
		e := *x.e
		switch e.op {
		case exprLit:
			if !utf8.ValidString(e.text) {
				return x
			}
			var parts []Expr
			for _, r := range e.text {
				parts = append(parts, f(r, r))
			}
			return Seq(parts...)
		case exprClass:
			return f(e.ranges...)
		case exprSpecial, exprRule:
			return Expr{&expr{op: exprSpecial, text: "\xff"}} // refused when it is compiled
		}
		kids := make([]Expr, len(e.kids))
		for i, k := range e.kids {
			kids[i] = walk(k)
		}
		e.kids = kids
		y := Expr{&e}
		if e.op == exprNot {
			y = And(y, text)
		}
		seen[x.e] = y
		return y
	}
	return walk(x)
}
