package tokenizer

import (
	"sync"
	"unicode/utf8"

	"github.com/mil-run/mil/tokenizer/regex"
)

// class is what the splitting expressions tell characters apart by: one bit, so that a
// union of classes is a class too.
type class = uint8

const (
	upper  class = 1 << iota // \p{Lu} and \p{Lt}
	lower                    // \p{Ll}
	plain                    // \p{Lm} and \p{Lo}
	mark                     // \p{M}
	number                   // \p{N}
	space                    // \s: White_Space
	sign                     // \p{P} and \p{S}
	rest                     // everything else

	letter = upper | lower | plain // \p{L}
)

// classTable holds the class of every character below classLimit.
type classTable [classLimit]class

// classLimit is where CJK letters begin that the table would only repeat.
const classLimit = 0x20000

// far are the letters and marks from classLimit on.
var far = sync.OnceValue(func() [2]*regex.Set {
	return [2]*regex.Set{regex.Property("L"), regex.Property("M")}
})

// classes builds the table on first use.
var classes = sync.OnceValue(func() *classTable {
	t := new(classTable)
	for i := range t {
		t[i] = rest
	}
	for name, c := range map[string]class{
		"Lu": upper, "Lt": upper, "Ll": lower, "Lm": plain, "Lo": plain,
		"M": mark, "N": number, "White_Space": space, "P": sign, "S": sign,
	} {
		for lo, hi := range regex.Property(name).Ranges() {
			for r := lo; r <= min(hi, classLimit-1); r++ {
				t[r] = c
			}
		}
	}
	return t
})

// at returns the class and size of the character at s[i]; a byte that is no UTF-8 is a
// sign, like the U+FFFD that stands for it.
func (t *classTable) at(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return t[b], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	if r < classLimit {
		return t[r], size
	}
	switch sets := far(); {
	case sets[0].Has(r):
		return plain, size
	case sets[1].Has(r):
		return mark, size
	}
	return rest, size
}

// is tells whether a character of class c stands at s[i].
func (t *classTable) is(s string, i int, c class) bool {
	if i >= len(s) {
		return false
	}
	got, _ := t.at(s, i)
	return got&c != 0
}

// run returns the end of the run of characters of class c that starts at s[i].
func (t *classTable) run(s string, i int, c class) int {
	for i < len(s) {
		got, size := t.at(s, i)
		if got&c == 0 {
			break
		}
		i += size
	}
	return i
}

// few is run of at most n characters.
func (t *classTable) few(s string, i, n int, c class) int {
	for ; n > 0 && i < len(s); n-- {
		got, size := t.at(s, i)
		if got&c == 0 {
			break
		}
		i += size
	}
	return i
}

// lines matches \s*[\r\n]+ at s[i], where a white space stands: up to the last line
// end of the run. It returns i without one, and the end of the run.
func (t *classTable) lines(s string, i int) (end, run int) {
	run = t.run(s, i, space)
	for j := run; j > i; j-- {
		if isNewline(s[j-1]) {
			return j, run
		}
	}
	return i, run
}

// spaces matches \s+(?!\S)|\s+ at s[i], where a run of white space stands up to end:
// the run without its last character, which the next word may begin with, unless that
// is all or the text ends.
func spaces(s string, i, end int) int {
	if end == len(s) {
		return end
	}
	_, size := utf8.DecodeLastRuneInString(s[:end])
	if end-size > i {
		return end - size
	}
	return end
}

func isNewline(b byte) bool { return b == '\r' || b == '\n' }
