package constrain

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// GBNF reads a grammar as llama.cpp writes it: rules of literals, classes of
// characters, groups, alternatives and repetitions; the text is that of rule
// "root". <name> is the special token of that text. What cannot be read is an
// [*Error] with the line.
func GBNF(text string) (*Grammar, error) {
	if len(text) > MostText {
		return nil, errorf("", "the grammar has %d bytes; at most %d are possible", len(text), MostText)
	}
	if !utf8.ValidString(text) {
		return nil, errorf("", "the grammar is not valid UTF-8")
	}
	r := &gbnfReader{text: text, line: 1, b: new(Builder), rules: map[string]*gbnfRule{}}
	if err := r.read(); err != nil {
		return nil, err
	}
	root := r.rules["root"]
	if root == nil || !root.defined {
		return nil, errorf("", `the grammar has no rule "root"`)
	}
	for _, rule := range r.order {
		if !rule.defined {
			return nil, errorf(rule.place(), "rule %q is used here and not defined", rule.name)
		}
		r.b.Define(rule.sym, r.units(rule.body))
	}
	return r.b.Grammar(root.sym)
}

type gbnfRule struct {
	name    string
	sym     Expr
	body    Expr
	line    int // where it was first seen
	defined bool
	plain   int8 // 0 not known, 1 yes, -1 no, or at work
}

func (r *gbnfRule) place() string { return fmt.Sprintf("line %d", r.line) }

type gbnfReader struct {
	text  string
	at    int
	line  int
	depth int
	b     *Builder
	rules map[string]*gbnfRule
	order []*gbnfRule
}

func (r *gbnfReader) errorf(format string, args ...any) error {
	return errorf(fmt.Sprintf("line %d", r.line), format, args...)
}

// space skips blanks and comments, and ends of lines where they mean nothing.
func (r *gbnfReader) space(lines bool) {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case c == ' ' || c == '\t' || c == '\r' && !lines && !strings.HasPrefix(r.text[r.at:], "\r\n"):
		case c == '#':
			for r.at+1 < len(r.text) && r.text[r.at+1] != '\n' && r.text[r.at+1] != '\r' {
				r.at++
			}
		case lines && (c == '\n' || c == '\r'):
			if c == '\n' {
				r.line++
			}
		default:
			return
		}
		r.at++
	}
}

func (r *gbnfReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func (r *gbnfReader) name() string {
	from := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		r.at++
	}
	return r.text[from:r.at]
}

func (r *gbnfReader) rule(name string) *gbnfRule {
	rule := r.rules[name]
	if rule == nil {
		rule = &gbnfRule{name: name, sym: r.b.Rule(name), line: r.line}
		r.rules[name] = rule
		r.order = append(r.order, rule)
	}
	return rule
}

func (r *gbnfReader) read() error {
	for r.space(true); r.at < len(r.text); r.space(true) {
		name := r.name()
		if name == "" {
			return r.errorf("a rule's name must stand here, and not %s", r.found())
		}
		r.space(false)
		if !strings.HasPrefix(r.text[r.at:], "::=") {
			return r.errorf("::= must stand behind the rule's name %q, and not %s", name, r.found())
		}
		r.at += 3
		rule := r.rule(name)
		if rule.defined {
			return r.errorf("rule %q is defined a second time", name)
		}
		r.space(true)
		body, err := r.alternatives(false)
		if err != nil {
			return err
		}
		rule.body, rule.defined = body, true
		if c := r.peek(); r.at < len(r.text) && c != '\n' && c != '\r' {
			return r.errorf("the rule must end here, and not go on with %s", r.found())
		}
	}
	return nil
}

// found is what stands here, for messages.
func (r *gbnfReader) found() string {
	if r.at >= len(r.text) {
		return "the end"
	}
	c, _ := utf8.DecodeRuneInString(r.text[r.at:])
	return strconv.QuoteRune(c)
}

func (r *gbnfReader) alternatives(nested bool) (Expr, error) {
	if r.depth++; r.depth > MostDepth {
		return Expr{}, r.errorf("groups are nested more than %d deep", MostDepth)
	}
	defer func() { r.depth-- }()
	var kids []Expr
	for {
		x, err := r.sequence(nested)
		if err != nil {
			return Expr{}, err
		}
		kids = append(kids, x)
		r.space(nested)
		if r.peek() != '|' {
			return Alt(kids...), nil
		}
		r.at++
		r.space(true)
	}
}

func (r *gbnfReader) sequence(nested bool) (Expr, error) {
	var parts []Expr
	for {
		x, ok, err := r.item()
		if err != nil {
			return Expr{}, err
		}
		if !ok {
			return Seq(parts...), nil
		}
		if x, err = r.repeated(x); err != nil {
			return Expr{}, err
		}
		parts = append(parts, x)
		r.space(nested)
	}
}

// item is one part of a sequence. ok is false where none begins here.
func (r *gbnfReader) item() (x Expr, ok bool, err error) {
	switch c := r.peek(); c {
	case '"':
		x, err = r.literal()
	case '[':
		x, err = r.class()
	case '.':
		r.at++
		x = Any()
	case '(':
		r.at++
		r.space(true)
		if x, err = r.alternatives(true); err != nil {
			return x, false, err
		}
		r.space(true)
		if r.peek() != ')' {
			return x, false, r.errorf("a group must end here with ), and not go on with %s", r.found())
		}
		r.at++
	case '<':
		end := strings.IndexByte(r.text[r.at:], '>')
		if end < 2 || strings.HasPrefix(r.text[r.at:], "<[") {
			return x, false, r.errorf("a special token must stand here by its text, such as <tool_call>")
		}
		x = Special(r.text[r.at : r.at+end+1])
		r.at += end + 1
	case '!':
		return x, false, r.errorf("a token that may not come (!) cannot be held")
	default:
		name := r.name()
		if name == "" {
			return x, false, nil
		}
		x = r.rule(name).sym
	}
	return x, err == nil, err
}

// repeated reads the signs of repetition behind an item.
func (r *gbnfReader) repeated(x Expr) (Expr, error) {
	for n := 0; ; n++ {
		if n > MostDepth {
			return x, r.errorf("there are more than %d repetitions of repetitions", MostDepth)
		}
		min, max := 0, -1
		switch r.peek() {
		case '*':
		case '+':
			min = 1
		case '?':
			max = 1
		case '{':
			end := strings.IndexByte(r.text[r.at:], '}')
			if end < 0 {
				return x, r.errorf("a repetition { has no }")
			}
			low, high, comma := strings.Cut(r.text[r.at+1:r.at+end], ",")
			var err error
			if min, err = strconv.Atoi(strings.TrimSpace(low)); err != nil {
				return x, r.errorf("the repetition {%s has no number", low)
			}
			switch high = strings.TrimSpace(high); {
			case !comma:
				max = min
			case high != "":
				if max, err = strconv.Atoi(high); err != nil {
					return x, r.errorf("the repetition up to %q has no number", high)
				}
			}
			r.at += end
		default:
			return x, nil
		}
		r.at++
		x = Repeat(x, min, max)
	}
}

func (r *gbnfReader) literal() (Expr, error) {
	r.at++
	var text []rune
	for r.peek() != '"' {
		c, err := r.character()
		if err != nil {
			return Expr{}, err
		}
		text = append(text, c)
	}
	r.at++
	return Lit(string(text)), nil
}

func (r *gbnfReader) class() (Expr, error) {
	r.at++
	not := r.peek() == '^'
	if not {
		r.at++
	}
	var ranges []rune
	for r.peek() != ']' {
		lo, err := r.character()
		if err != nil {
			return Expr{}, err
		}
		hi := lo
		if r.peek() == '-' && r.at+1 < len(r.text) && r.text[r.at+1] != ']' {
			r.at++
			if hi, err = r.character(); err != nil {
				return Expr{}, err
			}
		}
		if hi < lo {
			return Expr{}, r.errorf("the range %q to %q of a class ends before it begins", lo, hi)
		}
		ranges = append(ranges, lo, hi)
	}
	r.at++
	if not {
		ranges = invert(ranges)
	}
	return Class(ranges...), nil
}

// invert is the characters that are not in ranges.
func invert(ranges []rune) []rune {
	var out []rune
	next := rune(0)
	rs := normalRanges(ranges)
	for i := 0; i < len(rs); i += 2 {
		if next < rs[i] {
			out = append(out, next, rs[i]-1)
		}
		next = rs[i+1] + 1
	}
	if next <= utf8.MaxRune {
		out = append(out, next, utf8.MaxRune)
	}
	return out
}

// character is one character of a literal or a class, which may be escaped.
func (r *gbnfReader) character() (rune, error) {
	if r.at >= len(r.text) {
		return 0, r.errorf("the grammar ends within a literal or a class")
	}
	c, n := utf8.DecodeRuneInString(r.text[r.at:])
	r.at += n
	switch {
	case c == '\n':
		return 0, r.errorf("the line ends within a literal or a class")
	case c != '\\':
		return c, nil
	}
	e := r.peek()
	r.at++
	digits := 0
	switch e {
	case 'n':
		return '\n', nil
	case 't':
		return '\t', nil
	case 'r':
		return '\r', nil
	case '\\', '"', '[', ']', '-', '^', '/':
		return rune(e), nil
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	default:
		return 0, r.errorf("the escape \\%c is not known", e)
	}
	if r.at+digits > len(r.text) {
		return 0, r.errorf("an escape \\%c needs %d digits", e, digits)
	}
	v, err := strconv.ParseUint(r.text[r.at:r.at+digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(v)) || v > utf8.MaxRune {
		return 0, r.errorf("the escape \\%c%s is no character", e, r.text[r.at:r.at+digits])
	}
	r.at += digits
	return rune(v), nil
}

// units makes terminals of the parts that repeat something without much of a limit
// and call nothing that does.
func (r *gbnfReader) units(x Expr) Expr {
	e := x.e
	if e == nil {
		return x
	}
	if plain, loops := r.kind(x); plain {
		if loops {
			return Terminal(x)
		}
		return x
	}
	switch e.op {
	case exprSeq:
		var parts, run []Expr
		flush := func() {
			if len(run) > 0 {
				parts = append(parts, r.units(Seq(run...)))
				run = nil
			}
		}
		for _, k := range e.kids {
			if plain, _ := r.kind(k); plain {
				run = append(run, k)
				continue
			}
			flush()
			parts = append(parts, r.units(k))
		}
		flush()
		return Seq(parts...)
	case exprAlt, exprRepeat:
		y := *e
		y.kids = make([]Expr, len(e.kids))
		for i, k := range e.kids {
			y.kids[i] = r.units(k)
		}
		return Expr{&y}
	}
	return x
}

// kind says whether a part calls no rules but plain ones that do not loop, and
// whether it repeats something without much of a limit.
func (r *gbnfReader) kind(x Expr) (plain, loops bool) {
	e := x.e
	if e == nil {
		return true, false
	}
	if e.op == exprRule {
		return r.plain(r.order[e.rule]), false
	}
	plain, loops = e.op != exprSpecial, e.op == exprRepeat && (e.max < 0 || e.max > 64)
	for _, k := range e.kids {
		p, l := r.kind(k)
		plain, loops = plain && p, loops || l
	}
	return plain, loops
}

// plain says whether a rule calls plain rules alone and does not loop.
func (r *gbnfReader) plain(rule *gbnfRule) bool {
	if rule.plain == 0 {
		rule.plain = -1
		if plain, loops := r.kind(rule.body); plain && !loops {
			rule.plain = 1
		}
	}
	return rule.plain > 0
}
