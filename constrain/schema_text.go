package constrain

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"
)

// A textSet is a set of strings: a list of words, or an expression over
// characters. all says that it holds every string.
type textSet struct {
	all    bool
	finite bool
	words  []string
	e      Expr
}

var (
	allTexts = textSet{all: true, e: Text()}
	noTexts  = textSet{finite: true}
)

func wordSet(words ...string) textSet { return textSet{finite: true, words: words} }

// expr returns the set over characters, without quotes.
func (s textSet) expr() Expr {
	if !s.finite {
		return s.e
	}
	return branches(s.words, func(w string) Expr { return Lit(w) })
}

// branches is one of some words, each written by write, whose results for two
// parts of a word are that for the whole. Words that begin alike share what they
// begin with, so that many of them compile in few steps.
func branches(words []string, write func(string) Expr) Expr {
	return branch(slices.Compact(slices.Sorted(slices.Values(words))), write)
}

// branch takes sorted words, each once.
func branch(words []string, write func(string) Expr) Expr {
	var parts []Expr
	if len(words) > 0 && words[0] == "" {
		parts, words = append(parts, Seq()), words[1:]
	}
	for len(words) > 0 {
		_, size := utf8.DecodeRuneInString(words[0])
		n := 1
		for n < len(words) && strings.HasPrefix(words[n], words[0][:size]) {
			n++
		}
		head := words[0]
		if n > 1 {
			head = shared(head, words[n-1])
		}
		e := write(head)
		if n > 1 {
			tails := make([]string, n)
			for i, w := range words[:n] {
				tails[i] = w[len(head):]
			}
			e = Seq(e, branch(tails, write))
		}
		parts, words = append(parts, e), words[n:]
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return Alt(parts...)
}

// shared is the characters that two words begin with.
func shared(a, b string) string {
	for i, r := range a {
		if !strings.HasPrefix(b[i:], string(r)) {
			return a[:i]
		}
	}
	return a
}

// has reports whether a word is in a set. Long words are read by the engine, whose
// time grows with their length alone.
func (c *schemaCompiler) has(s textSet, word string) bool {
	switch {
	case s.all:
		return true
	case s.finite:
		return slices.Contains(s.words, word)
	}
	return c.matches(s.e, word)
}

// maxShort is how long a word may be to be compared by matches.
const maxShort = 40

func (c *schemaCompiler) matches(e Expr, word string) bool {
	if len(word) <= maxShort {
		c.spend(1 + len(word)*len(word)/64)
		return matches(e, word)
	}
	p, root, err := compileWithin(nil, e, maxQuestion)
	if err == nil {
		c.spend(50 + p.work/16)
		ok := false
		err = p.guard(func() { ok = p.nodes[p.text(root, []byte(word))].nullable })
		if c.spend(p.work / 16); err == nil {
			return ok
		}
	}
	panic(tooMuch{err})
}

// spend is step where no error can be returned: [Builder.Schema] catches it.
func (c *schemaCompiler) spend(n int) {
	if c.work += n; c.work > maxSchemaWork {
		panic(tooMuch{ErrWork})
	}
}

func (c *schemaCompiler) andTexts(s, t textSet) textSet {
	switch {
	case s.all:
		return t
	case t.all:
		return s
	case !s.finite && !t.finite:
		return textSet{e: And(s.e, t.e)}
	case !s.finite:
		s, t = t, s
	}
	in := func(w string) bool { return c.matches(t.e, w) }
	if t.finite {
		set := setOf(t.words)
		in = func(w string) bool { return set[w] }
	}
	var kept []string
	for _, w := range s.words {
		if in(w) {
			kept = append(kept, w)
		}
	}
	return wordSet(kept...)
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, x := range list {
		set[x] = true
	}
	return set
}

// once is a list without what was in it before.
func once[T comparable](list []T) []T {
	set := make(map[T]bool, len(list))
	return slices.DeleteFunc(list, func(x T) bool {
		twice := set[x]
		set[x] = true
		return twice
	})
}

func (s textSet) or(t textSet) textSet {
	switch {
	case s.all || t.all:
		return allTexts
	case s.finite && len(s.words) == 0:
		return t
	case t.finite && len(t.words) == 0:
		return s
	case s.finite && t.finite:
		return wordSet(once(append(slices.Clone(s.words), t.words...))...)
	}
	return textSet{e: Alt(s.expr(), t.expr())}
}

func (s textSet) not() textSet {
	switch {
	case s.all:
		return noTexts
	case s.finite && len(s.words) == 0:
		return allTexts
	}
	return textSet{e: Not(s.expr())}
}

// empty reports whether nothing is in the set. The answer may take too long for
// an expression with intersections; then it is an error.
func (s textSet) empty(c *schemaCompiler) (bool, error) {
	if s.all || s.finite {
		return !s.all && len(s.words) == 0, nil
	}
	return c.isEmpty(s.e)
}

// spelled returns the ways to write the set's strings in JSON, without quotes.
//
// A character may stand for itself, where JSON lets it, and as the escapes that
// encoders write: the short ones, and \u with four digits of either case for
// controls, for what is not ASCII, and for the punctuation that is escaped for
// HTML's sake. A letter is never escaped. A character beyond U+FFFF is a pair of
// escapes.
func (c *schemaCompiler) spelled(s textSet) Expr {
	switch {
	case s.all:
		return spelledText
	case s.finite:
		return branches(s.words, spellWord)
	}
	return Map(s.e, c.spell)
}

// spell is spell with one result for equal classes, so that they are compiled
// once.
func (c *schemaCompiler) spell(ranges ...rune) Expr {
	if len(ranges) == 2 && ranges[0] == ranges[1] && ranges[0] < 0x80 {
		return spelledASCII[ranges[0]]
	}
	key := make([]byte, 0, 64)
	for _, r := range ranges { // not string(ranges), in which surrogates are one
		key = binary.LittleEndian.AppendUint32(key, uint32(r))
	}
	e, ok := c.classes[string(key)]
	if !ok {
		e = spell(ranges...)
		c.classes[string(key)] = e
	}
	return e
}

// spelledASCII is the spellings of each character of ASCII.
var spelledASCII = func() (table [0x80]Expr) {
	for r := range table {
		if table[r] = spell(rune(r), rune(r)); plainASCII(rune(r)) {
			table[r] = Lit(string(rune(r)))
		}
	}
	return table
}()

// plainASCII reports whether a character is written in one way alone.
func plainASCII(r rune) bool {
	return r >= 0x20 && r < 0x7f && r != '/' && !strings.ContainsRune(escapedASCII, r)
}

// spellWord is the spellings of one string.
func spellWord(w string) Expr {
	if strings.IndexFunc(w, func(r rune) bool { return !plainASCII(r) }) < 0 {
		return Lit(w)
	}
	var parts []Expr
	for _, r := range w {
		if r < 0x80 {
			parts = append(parts, spelledASCII[r])
		} else {
			parts = append(parts, spell(r, r))
		}
	}
	return Seq(parts...)
}

// spelledText is every string, spelled. It is one expression, so that whatever
// is computed about it is computed once for a grammar.
var spelledText = Repeat(spell(0, 0x10ffff), 0, -1)

// escapedASCII are the printable characters that encoders escape with \u.
const escapedASCII = "\"\\<>&'+`\x7f"

// shortEscapes are the escapes of two characters.
var shortEscapes = map[rune]string{
	'"': `\"`, '\\': `\\`, '/': `\/`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`,
}

// spell is the spellings of one character out of ranges.
func spell(ranges ...rune) Expr {
	var plain []rune
	var parts []Expr
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		plain = appendPlain(plain, lo, hi)
		for r := lo; r <= min(hi, 0x7f); r++ {
			if short := shortEscapes[r]; short != "" {
				parts = append(parts, Lit(short))
			}
			if r < 0x20 || strings.ContainsRune(escapedASCII, r) {
				parts = append(parts, unitEscape(r, r))
			}
		}
		for _, part := range [][2]rune{{0x80, 0xd7ff}, {0xe000, 0xffff}} {
			if from, to := max(lo, part[0]), min(hi, part[1]); from <= to {
				parts = append(parts, unitEscape(from, to))
			}
		}
		if from := max(lo, 0x10000); from <= hi {
			parts = append(parts, pairEscape(from-0x10000, hi-0x10000))
		}
	}
	if len(plain) > 0 {
		parts = append(parts, Class(plain...))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return Alt(parts...)
}

// appendPlain adds the part of a range that JSON writes as it is.
func appendPlain(plain []rune, lo, hi rune) []rune {
	for _, part := range [][2]rune{{0x20, '"' - 1}, {'"' + 1, '\\' - 1}, {'\\' + 1, 0xd7ff}, {0xe000, 0x10ffff}} {
		if from, to := max(lo, part[0]), min(hi, part[1]); from <= to {
			plain = append(plain, from, to)
		}
	}
	return plain
}

// unitEscape is \u and four digits, for units from lo to hi.
func unitEscape(lo, hi rune) Expr { return Seq(Lit(`\u`), hexRange(lo, hi, 4)) }

// pairEscape is a pair of surrogates for what lies lo to hi above U+10000.
func pairEscape(lo, hi rune) Expr {
	var parts []Expr
	one := func(high0, high1, low0, low1 rune) {
		parts = append(parts, Seq(unitEscape(0xd800+high0, 0xd800+high1), unitEscape(0xdc00+low0, 0xdc00+low1)))
	}
	h0, l0, h1, l1 := lo>>10, lo&0x3ff, hi>>10, hi&0x3ff
	if h0 == h1 {
		one(h0, h0, l0, l1)
		return parts[0]
	}
	if l0 > 0 {
		one(h0, h0, l0, 0x3ff)
		h0++
	}
	if l1 < 0x3ff {
		one(h1, h1, 0, l1)
		h1--
	}
	if h0 <= h1 {
		one(h0, h1, 0, 0x3ff)
	}
	return Alt(parts...)
}

// hexRange is the numbers from lo to hi in n hexadecimal digits of either case.
func hexRange(lo, hi rune, n int) Expr {
	if n == 0 {
		return Seq()
	}
	shift := 4 * (n - 1)
	mask := rune(1)<<shift - 1
	a, b := lo>>shift, hi>>shift
	switch {
	case lo&mask == 0 && hi&mask == mask:
		return Seq(nibble(a, b), Repeat(nibble(0, 15), n-1, n-1))
	case a == b:
		return Seq(nibble(a, a), hexRange(lo&mask, hi&mask, n-1))
	}
	parts := []Expr{Seq(nibble(a, a), hexRange(lo&mask, mask, n-1)), Seq(nibble(b, b), hexRange(0, hi&mask, n-1))}
	if a+1 < b {
		parts = append(parts, Seq(nibble(a+1, b-1), Repeat(nibble(0, 15), n-1, n-1)))
	}
	return Alt(parts...)
}

func nibble(lo, hi rune) Expr {
	var ranges []rune
	if lo <= 9 {
		ranges = append(ranges, '0'+lo, '0'+min(hi, 9))
	}
	if hi >= 10 {
		from := max(lo, 10) - 10
		ranges = append(ranges, 'a'+from, 'a'+hi-10, 'A'+from, 'A'+hi-10)
	}
	return Class(ranges...)
}
