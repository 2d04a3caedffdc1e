package regex

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mil-run/mil/internal/show"
)

// node is a part of a parsed expression.
type node struct {
	kind     kind
	set      set     // of a character; what an assert asks
	subs     []*node // of a sequence, alternatives, a repeat or a look
	min, max int     // of a repeat; max -1: endless
	lazy     bool
	not      bool // of a look or an assert
}

type kind uint8

const (
	kindEmpty    kind = iota
	kindSet           // one character
	kindSequence      // subs in a row
	kindOneOf         // subs, the first that leads on
	kindRepeat        // subs[0], min to max times
	kindAhead         // subs[0] matches here, or with not does not
	kindBehind        // the character before lies in set, or with not does not
	kindBegin         // the text begins here
	kindEnd           // the text ends here
	kindWord          // a word begins or ends here, or with not does neither
)

// options are what (?imx) switches.
type options struct{ fold, dotAll, extended bool }

type parser struct {
	s     string
	i     int
	depth int
	spent int // ranges of all sets so far
	options
}

func parse(pattern string) (*node, error) {
	p := &parser{s: pattern}
	n, err := p.alternatives()
	if err == nil && p.i < len(p.s) {
		err = p.fail("a ) without a (")
	}
	return n, err
}

// fail is an error of one line: what it quotes of the expression are strings, shown
// by package show.
func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("at byte %d: %s", p.i, show.Sprintf(format, args...))
}

// spend counts a set: an expression may name large ones many times.
func (p *parser) spend(s set) error {
	if p.spent += len(s) + 1; p.spent > maxRanges {
		return p.fail("its classes have more than %d ranges of characters", maxRanges)
	}
	return nil
}

// take steps over text, if that comes next.
func (p *parser) take(text string) bool {
	if strings.HasPrefix(p.s[p.i:], text) {
		p.i += len(text)
		return true
	}
	return false
}

func (p *parser) next() rune {
	r, size := utf8.DecodeRuneInString(p.s[p.i:])
	p.i += size
	return r
}

func (p *parser) more() bool { return p.i < len(p.s) }

// alternatives reads up to the ) that ends a group.
func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("groups deeper than %d in each other", maxDepth)
	}
	defer func() { p.depth-- }()
	one := &node{kind: kindOneOf}
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		one.subs = append(one.subs, n)
		if !p.take("|") {
			break
		}
	}
	if len(one.subs) == 1 {
		return one.subs[0], nil
	}
	return one, nil
}

func (p *parser) sequence() (*node, error) {
	seq := &node{kind: kindSequence}
	for p.more() && p.s[p.i] != '|' && p.s[p.i] != ')' {
		if p.extended && p.skipBlank() {
			continue
		}
		n, err := p.atom()
		if err == nil {
			n, err = p.repeats(n)
		}
		if err != nil {
			return nil, err
		}
		seq.subs = append(seq.subs, n)
	}
	if len(seq.subs) == 1 {
		return seq.subs[0], nil
	}
	return seq, nil
}

// skipBlank skips a white space or a comment of the extended form.
func (p *parser) skipBlank() bool {
	switch c := p.s[p.i]; {
	case c == '#':
		for p.more() && p.next() != '\n' {
		}
		return true
	case c == ' ' || c >= '\t' && c <= '\r':
		p.i++
		return true
	}
	return false
}

func (p *parser) atom() (*node, error) {
	switch c := p.next(); c {
	case '(':
		return p.group()
	case '[':
		s, err := p.class()
		return &node{kind: kindSet, set: s}, err
	case '.':
		if p.dotAll {
			return &node{kind: kindSet, set: set{}.negate()}, nil
		}
		return &node{kind: kindSet, set: set{{'\n', '\n'}}.negate()}, nil
	case '^': // not behind a newline that ends the text
		behind := &node{kind: kindBehind, set: set{{'\n', '\n'}}}
		more := &node{kind: kindAhead, not: true, subs: []*node{{kind: kindEnd}}}
		return oneOf(&node{kind: kindBegin}, sequence(behind, more)), nil
	case '$':
		return oneOf(&node{kind: kindEnd}, ahead(set{{'\n', '\n'}})), nil
	case '\\':
		return p.escape()
	case '*', '+', '?':
		return nil, p.fail("nothing to repeat")
	default:
		return p.char(c), nil
	}
}

func oneOf(subs ...*node) *node    { return &node{kind: kindOneOf, subs: subs} }
func sequence(subs ...*node) *node { return &node{kind: kindSequence, subs: subs} }
func ahead(s set) *node {
	return &node{kind: kindAhead, subs: []*node{{kind: kindSet, set: s}}}
}

func (p *parser) char(r rune) *node {
	s := set{{r, r}}
	if p.fold {
		s = s.fold()
	}
	return &node{kind: kindSet, set: s}
}

// group reads the text behind a (.
func (p *parser) group() (*node, error) {
	kept := p.options
	defer func() { p.options = kept }()
	switch {
	case !p.take("?"):
		return p.closed()
	case p.take("#"):
		for p.more() {
			switch p.next() {
			case '\\':
				p.next()
			case ')':
				return &node{}, nil
			}
		}
		return nil, p.fail("a comment without an end")
	case p.take(":"):
		return p.closed()
	case p.take("="), p.take("!"):
		not := p.s[p.i-1] == '!'
		n, err := p.closed()
		return &node{kind: kindAhead, not: not, subs: []*node{n}}, err
	case p.take("<="), p.take("<!"):
		not := p.s[p.i-1] == '!'
		n, err := p.closed()
		if err != nil {
			return nil, err
		}
		s, ok := n.single()
		if !ok {
			return nil, p.fail("looking behind further than one character is not supported")
		}
		return &node{kind: kindBehind, not: not, set: s}, nil
	case p.take(">"):
		n, err := p.closed()
		if err != nil {
			return nil, err
		}
		return p.possessive(n)
	case p.take("<"), p.take("'"):
		end := strings.IndexAny(p.s[p.i:], ">'")
		if end < 0 {
			return nil, p.fail("a name without an end")
		}
		p.i += end + 1
		return p.closed()
	}
	return p.switched(kept)
}

// closed reads a group up to its ).
func (p *parser) closed() (*node, error) {
	n, err := p.alternatives()
	if err == nil && !p.take(")") {
		err = p.fail("a ( without a )")
	}
	return n, err
}

// switched reads (?i:...) and (?i)..., whose options hold up to the end of the group
// around it.
func (p *parser) switched(kept options) (*node, error) {
	on := true
	for p.more() {
		switch c := p.next(); c {
		case '-':
			on = false
		case 'i':
			p.fold = on
		case 'm':
			p.dotAll = on
		case 'x':
			p.extended = on
		case ':':
			return p.closed()
		case ')':
			return p.alternatives()
		default:
			return nil, p.fail("the group (?%s is not supported", string(c))
		}
	}
	return nil, p.fail("a ( without a )")
}

// repeats reads the repeats behind an atom.
func (p *parser) repeats(n *node) (*node, error) {
	for p.more() {
		if p.extended && p.skipBlank() {
			continue
		}
		low, high, interval := 0, -1, false
		switch c := p.s[p.i]; {
		case c == '*':
			p.i++
		case c == '+':
			p.i++
			low = 1
		case c == '?':
			p.i++
			high = 1
		case c == '{':
			var ok bool
			var err error
			if low, high, ok, err = p.interval(); err != nil || !ok {
				return n, err
			}
			interval = true
		default:
			return n, nil
		}
		r := &node{kind: kindRepeat, min: low, max: high, subs: []*node{n}}
		exact := interval && low == high
		switch {
		case !exact && p.take("?"):
			r.lazy = true
		case !interval && p.take("+"):
			var err error
			if r, err = p.possessive(r); err != nil {
				return nil, err
			}
		}
		if high < 0 && n.kind == kindRepeat && n.max < 0 && n.min <= 1 && !n.lazy && !r.lazy && r.kind == kindRepeat {
			r.min, r.subs = min(r.min, n.min), n.subs // of a repeat of a repeat
		}
		if p.depth++; p.depth > maxDepth {
			return nil, p.fail("more than %d repeats of repeats", maxDepth)
		}
		defer func() { p.depth-- }()
		n = r
	}
	return n, nil
}

// interval reads {n}, {n,}, {,m} or {n,m}; ok is false where it is none, and { is a
// character.
func (p *parser) interval() (low, high int, ok bool, err error) {
	end := strings.IndexByte(p.s[p.i:], '}')
	if end < 0 {
		return 0, 0, false, nil
	}
	from, to, both := strings.Cut(p.s[p.i+1:p.i+end], ",")
	number := func(s string, none int) int {
		if s == "" {
			return none
		}
		n, err := strconv.ParseUint(s, 10, 31)
		if err != nil {
			ok = false
		}
		return int(n)
	}
	ok = from != "" || both && to != ""
	low = number(from, 0)
	high = low
	if both {
		high = number(to, -1)
	}
	if !ok {
		return 0, 0, false, nil
	}
	p.i += end + 1
	if max(low, high) > maxStates {
		return 0, 0, false, p.fail("a repeat of %d times; at most %d are taken", max(low, high), maxStates)
	}
	if high >= 0 && high < low {
		return 0, 0, false, p.fail("a repeat of %d to %d times", low, high)
	}
	return low, high, true, nil
}

// possessive is a node that keeps what it took. That is known for what takes a run of
// one class: behind the run there is no more of it.
func (p *parser) possessive(n *node) (*node, error) {
	if n.kind == kindSet {
		return n, nil
	}
	if n.kind == kindRepeat && !n.lazy {
		s, ok := n.subs[0].single()
		not := &node{kind: kindAhead, not: true, subs: []*node{{kind: kindSet, set: s}}}
		switch {
		case ok && n.max < 0:
			return sequence(n, not), nil
		case ok && n.max == 1 && n.min == 0:
			return oneOf(n.subs[0], not), nil
		case ok && n.max == n.min:
			return n, nil
		}
	}
	return nil, p.fail("an atomic group of more than one class of characters is not supported")
}

// single is the set of a node that is always one character.
func (n *node) single() (set, bool) {
	switch n.kind {
	case kindSet:
		return n.set, true
	case kindOneOf:
		var all set
		for _, sub := range n.subs {
			s, ok := sub.single()
			if !ok {
				return nil, false
			}
			all = append(all, s...)
		}
		return all.normal(), true
	}
	return nil, false
}

// escape reads the text behind a \ outside of a class.
func (p *parser) escape() (*node, error) {
	if !p.more() {
		return nil, p.fail("a \\ at the end")
	}
	switch c := p.s[p.i]; c {
	case 'b', 'B':
		p.i++
		return &node{kind: kindWord, not: c == 'B'}, nil
	case 'A':
		p.i++
		return &node{kind: kindBegin}, nil
	case 'z':
		p.i++
		return &node{kind: kindEnd}, nil
	case 'Z': // a newline may end the text
		p.i++
		last := sequence(&node{kind: kindSet, set: set{{'\n', '\n'}}}, &node{kind: kindEnd})
		return oneOf(&node{kind: kindEnd}, &node{kind: kindAhead, subs: []*node{last}}), nil
	case 'G', 'R', 'X', 'K', 'k', 'g', 'O', 'N', 'y', 'Y', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return nil, p.fail("\\%s is not supported", string(c))
	}
	s, r, err := p.set()
	if err != nil {
		return nil, err
	}
	if s != nil {
		return &node{kind: kindSet, set: s}, nil
	}
	return p.char(r), nil
}

// set reads what follows a \ and stands for a set, or for one character where it
// returns none.
func (p *parser) set() (set, rune, error) {
	if !p.more() {
		return nil, 0, p.fail("a \\ at the end")
	}
	var s set
	switch c := p.next(); c {
	case 'd', 'D':
		s, _ = property("digit", false)
	case 'w', 'W':
		s, _ = property("word", false)
	case 's', 'S':
		s, _ = property("space", false)
	case 'h', 'H':
		s, _ = property("xdigit", false)
	case 'p', 'P':
		return p.property(c == 'P')
	default:
		r, err := p.control(c)
		return nil, r, err
	}
	if unicode.IsUpper(rune(p.s[p.i-1])) {
		s = s.negate()
	}
	return s, 0, p.spend(s)
}

// property reads the {name} of \p.
func (p *parser) property(not bool) (set, rune, error) {
	end := strings.IndexByte(p.s[p.i:], '}')
	if !p.take("{") || end < 0 {
		return nil, 0, p.fail("a \\p without {name}")
	}
	name := p.s[p.i : p.i+end-1]
	p.i += end
	if strings.HasPrefix(name, "^") {
		name, not = name[1:], !not
	}
	s, ok := property(name, false)
	if !ok {
		return nil, 0, p.fail("the property %.40q is not known", name)
	}
	if not {
		s = s.negate()
	}
	return s, 0, p.spend(s)
}

// control reads an escape of one character, of which c was read.
func (p *parser) control(c rune) (rune, error) {
	switch c {
	case 't':
		return '\t', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 'f':
		return '\f', nil
	case 'v':
		return '\v', nil
	case 'a':
		return '\a', nil
	case 'e':
		return 0x1b, nil
	case '0':
		return p.digits(8, 0, 2)
	case 'u':
		return p.digits(16, 4, 4)
	case 'x':
		if p.take("{") {
			r, err := p.digits(16, 1, 8)
			if err == nil && !p.take("}") {
				err = p.fail("a { without a }")
			}
			return r, err
		}
		return p.digits(16, 1, 2)
	case 'c', 'C', 'M':
		return 0, p.fail("\\%s is not supported", string(c))
	}
	return c, nil
}

// digits reads a number of low to high digits.
func (p *parser) digits(base, low, high int) (rune, error) {
	n, count := 0, 0
	for count < high && p.more() {
		d := strings.IndexByte("0123456789abcdef", p.s[p.i]|0x20)
		if p.s[p.i] < '0' || d < 0 || d >= base {
			break
		}
		n = n*base + d
		count++
		p.i++
	}
	if count < low || n > unicode.MaxRune || n >= 0xD800 && n < 0xE000 {
		return 0, p.fail("not the number of a character")
	}
	return rune(n), nil
}
