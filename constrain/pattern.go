package constrain

import (
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// PatternOptions say how a pattern is read.
type PatternOptions struct {
	// Search matches texts that hold a match of the pattern, as JSON Schema's
	// "pattern" does. Otherwise the whole text must match, and anchors at the
	// pattern's ends change nothing.
	Search bool
	// ECMA reads what JavaScript writes otherwise than Go: \uXXXX, \cX, \/, [^],
	// and the white space and line ends of \s and the dot.
	ECMA bool
}

// ParsePattern reads a regular expression in the syntax of Go's regexp. Word
// boundaries, anchors in the middle, and whatever is not regular (back
// references, looking around) are refused, with an [*Error].
func ParsePattern(pattern string, o PatternOptions) (Expr, error) {
	if len(pattern) > MostText {
		return Expr{}, errorf("", "the pattern has %d bytes; at most %d are possible", len(pattern), MostText)
	}
	source := pattern
	if o.ECMA {
		var err error
		if source, err = fromECMA(pattern); err != nil {
			return Expr{}, err
		}
	}
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return Expr{}, errorf("", "pattern %s: %s", quote(pattern), patternProblem(err))
	}
	t := patternReader{search: o.Search}
	branches, err := t.branches(re)
	if err != nil {
		return Expr{}, errorf("", "pattern %s: %v", quote(pattern), err)
	}
	return Alt(branches...), nil
}

// Regex is the texts that match a pattern as a whole.
func Regex(pattern string) (*Grammar, error) {
	x, err := ParsePattern(pattern, PatternOptions{})
	if err != nil {
		return nil, err
	}
	return New(Terminal(x))
}

// quote is a pattern in a message, shortened where it is long.
func quote(s string) string {
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "..."
	}
	return "\"" + s + "\""
}

func patternProblem(err error) string {
	if e, ok := err.(*syntax.Error); ok {
		switch e.Code {
		case syntax.ErrInvalidPerlOp:
			return "looking ahead or behind and flags that are not known cannot be held: " + quote(e.Expr)
		case syntax.ErrInvalidRepeatSize:
			return "repetitions of more than 1000 times, also by one within another, are too large: " + quote(e.Expr)
		case syntax.ErrInvalidEscape:
			return "this escape has no meaning here: " + quote(e.Expr)
		}
		return e.Code.String() + ": " + quote(e.Expr)
	}
	return err.Error()
}

// patternReader turns a parsed pattern into an expression.
type patternReader struct{ search bool }

// branches are the alternatives of a whole pattern, each with the text that may
// stand around it.
func (t *patternReader) branches(re *syntax.Regexp) ([]Expr, error) {
	switch re.Op {
	case syntax.OpAlternate:
		var out []Expr
		for _, sub := range re.Sub {
			xs, err := t.branches(sub)
			if err != nil {
				return nil, err
			}
			out = append(out, xs...)
		}
		return out, nil
	case syntax.OpCapture:
		return t.branches(re.Sub[0])
	}
	x, begin, end, err := t.anchored(re)
	if err != nil {
		return nil, err
	}
	if t.search && !begin {
		x = Seq(Text(), x)
	}
	if t.search && !end {
		x = Seq(x, Text())
	}
	return []Expr{x}, nil
}

// anchored reads a branch, and says which of its ends are anchored.
func (t *patternReader) anchored(re *syntax.Regexp) (x Expr, begin, end bool, err error) {
	parts := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		parts = re.Sub
	}
	for len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		begin, parts = true, parts[1:]
	}
	for len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
		end, parts = true, parts[:len(parts)-1]
	}
	// (^a|b)c is read as ^ac|bc.
	if len(parts) > 1 && !begin && !end && t.search && (anchors(parts[0]) || anchors(parts[len(parts)-1])) {
		return Expr{}, false, false, errAnchor
	}
	if len(parts) == 1 && t.search && anchors(parts[0]) && (begin || end) {
		return Expr{}, false, false, errAnchor
	}
	xs, err := t.all(parts)
	return Seq(xs...), begin, end, err
}

// anchors says whether there is an anchor in a part.
func anchors(re *syntax.Regexp) bool {
	if re.Op == syntax.OpBeginText || re.Op == syntax.OpEndText {
		return true
	}
	for _, sub := range re.Sub {
		if anchors(sub) {
			return true
		}
	}
	return false
}

type patternError string

func (e patternError) Error() string { return string(e) }

const (
	errAnchor   = patternError("^ and $ can only stand at the ends of the pattern and of its alternatives")
	errBoundary = patternError(`\b and \B cannot be held`)
	errLine     = patternError("^ and $ of lines (flag m) cannot be held")
)

func (t *patternReader) all(res []*syntax.Regexp) ([]Expr, error) {
	out := make([]Expr, len(res))
	for i, re := range res {
		x, err := t.expr(re)
		if err != nil {
			return nil, err
		}
		out[i] = x
	}
	return out, nil
}

func (t *patternReader) expr(re *syntax.Regexp) (Expr, error) {
	kids, err := t.all(re.Sub)
	if err != nil {
		return Expr{}, err
	}
	switch re.Op {
	case syntax.OpNoMatch:
		return Alt(), nil
	case syntax.OpEmptyMatch:
		return Expr{}, nil
	case syntax.OpLiteral:
		return literal(re), nil
	case syntax.OpCharClass:
		return Class(re.Rune...), nil
	case syntax.OpAnyCharNotNL:
		return Class(0, '\n'-1, '\n'+1, utf8.MaxRune), nil
	case syntax.OpAnyChar:
		return Any(), nil
	case syntax.OpCapture:
		return kids[0], nil
	case syntax.OpStar:
		return Repeat(kids[0], 0, -1), nil
	case syntax.OpPlus:
		return Repeat(kids[0], 1, -1), nil
	case syntax.OpQuest:
		return Optional(kids[0]), nil
	case syntax.OpRepeat:
		return Repeat(kids[0], re.Min, re.Max), nil
	case syntax.OpConcat:
		return Seq(kids...), nil
	case syntax.OpAlternate:
		return Alt(kids...), nil
	case syntax.OpBeginText, syntax.OpEndText:
		return Expr{}, errAnchor
	case syntax.OpBeginLine, syntax.OpEndLine:
		return Expr{}, errLine
	}
	return Expr{}, errBoundary
}

// literal is characters one behind the other, each in any case where they fold.
func literal(re *syntax.Regexp) Expr {
	if re.Flags&syntax.FoldCase == 0 {
		return Lit(string(re.Rune))
	}
	parts := make([]Expr, len(re.Rune))
	for i, r := range re.Rune {
		parts[i] = Class(fold(r)...)
	}
	return Seq(parts...)
}
