package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// isSpace is Python's str.isspace of one character: Unicode's White_Space, and
// the four separators of ASCII besides.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || (r >= 0x1c && r <= 0x1f)
}

// isWordChar is \w of Python's regular expressions.
func isWordChar(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// isDigit is Python's str.isdigit of one character: decimal digits, and those
// that are raised, lowered, circled or otherwise set apart.
func isDigit(r rune) bool {
	return unicode.IsDigit(r) || unicode.Is(setApart, r)
}

var setApart = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0xb2, 0xb3, 1}, {0xb9, 0xb9, 1}, {0x1369, 0x1371, 1}, {0x19da, 0x19da, 1}, {0x2070, 0x2070, 1},
		{0x2074, 0x2079, 1}, {0x2080, 0x2089, 1}, {0x2460, 0x2468, 1}, {0x2474, 0x247c, 1}, {0x2488, 0x2490, 1},
		{0x24ea, 0x24ea, 1}, {0x24f5, 0x24fd, 1}, {0x24ff, 0x24ff, 1}, {0x2776, 0x277e, 1}, {0x2780, 0x2788, 1},
		{0x278a, 0x2792, 1},
	},
	R32: []unicode.Range32{
		{0x10a40, 0x10a43, 1}, {0x10e60, 0x10e68, 1}, {0x11052, 0x1105a, 1}, {0x1f100, 0x1f10a, 1},
	},
	LatinOffset: 2,
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// allRunes tells whether s is not empty and f holds of all its characters.
func allRunes(s string, f func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !f(r) }) < 0
}

// strip removes the characters that are in a set from the ends asked for.
func strip(s str, in func(rune) bool, left, right bool) str {
	if left {
		s = s.from(len(s.s) - len(strings.TrimLeftFunc(s.s, in)))
	}
	if right {
		s = s.sub(0, len(strings.TrimRightFunc(s.s, in)))
	}
	return s
}

func runeSet(chars string) func(rune) bool {
	set := map[rune]bool{}
	for _, r := range chars {
		set[r] = true
	}
	return func(r rune) bool { return set[r] }
}
