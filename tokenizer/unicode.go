package tokenizer

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// class is what the splitting expressions tell characters apart by.
type class = uint8

const (
	other  class = iota
	letter       // \p{L}
	number       // \p{N}
	space        // \s: White_Space
)

// classTable holds the class of every character of the basic plane.
type classTable [1 << 16]class

// classes builds the table on first use.
var classes = sync.OnceValue(func() *classTable {
	t := new(classTable)
	fill := func(table *unicode.RangeTable, c class) {
		for _, r := range table.R16 {
			for x := int(r.Lo); x <= int(r.Hi); x += int(r.Stride) {
				t[x] = c
			}
		}
	}
	fill(unicode.L, letter)
	fill(unicode.N, number)
	fill(newLetters, letter)
	fill(newNumbers, number)
	fill(unicode.White_Space, space)
	return t
})

// at returns the class and size of the character at s[i]; a byte that is no UTF-8 is other.
func (t *classTable) at(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return t[b], 1
	}
	r, size := utf8.DecodeRuneInString(s[i:])
	if r < 1<<16 {
		return t[r], size
	}
	switch {
	case unicode.In(r, unicode.L, newLetters):
		return letter, size
	case unicode.In(r, unicode.N, newNumbers):
		return number, size
	}
	return other, size
}

// run returns the end of the run of characters of class c that starts at s[i].
func (t *classTable) run(s string, i int, c class) int {
	for i < len(s) {
		got, size := t.at(s, i)
		if got != c {
			break
		}
		i += size
	}
	return i
}

// spaces matches \s+(?!\S)|\s+ at s[i], a white space: the run without its last
// character, which the next word may begin with, unless that is all or the text ends.
func (t *classTable) spaces(s string, i int) int {
	end := t.run(s, i, space)
	if end == len(s) {
		return end
	}
	_, size := utf8.DecodeLastRuneInString(s[:end])
	if end-size > i {
		return end - size
	}
	return end
}
