package template

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

// grown are characters whose upper case is more than one character long.
var grown = map[rune]string{
	'ß': "SS", 'ŉ': "ʼN", 'ǰ': "J̌", 'ΐ': "Ϊ́", 'ΰ': "Ϋ́", 'և': "ԵՒ",
	'ﬀ': "FF", 'ﬁ': "FI", 'ﬂ': "FL", 'ﬃ': "FFI", 'ﬄ': "FFL", 'ﬅ': "ST", 'ﬆ': "ST",
}

func upper(s string) string {
	if isASCII(s) || strings.IndexFunc(s, func(r rune) bool { return grown[r] != "" }) < 0 {
		return strings.ToUpper(s)
	}
	var b strings.Builder
	for _, r := range s {
		if g := grown[r]; g != "" {
			b.WriteString(g)
		} else {
			b.WriteRune(unicode.ToUpper(r))
		}
	}
	return b.String()
}

// lower knows the two exceptions of Unicode's lower case: the dotted capital I
// keeps its dot, and a capital sigma that ends a word becomes a final one.
func lower(s string) string {
	if !strings.ContainsAny(s, "İΣ") {
		return strings.ToLower(s)
	}
	var b strings.Builder
	inWord := false
	for i, r := range s {
		switch r {
		case 'İ':
			b.WriteString("i̇")
		case 'Σ':
			next, _ := utf8.DecodeRuneInString(s[i+len("Σ"):])
			if inWord && !isCased(next) {
				b.WriteRune('ς')
			} else {
				b.WriteRune('σ')
			}
		default:
			b.WriteRune(unicode.ToLower(r))
		}
		inWord = isCased(r)
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func isCased(r rune) bool {
	return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
}

// titleRune is one character as it begins a title.
func titleRune(r rune) string {
	if g := grown[r]; g != "" {
		_, n := utf8.DecodeRuneInString(g)
		return g[:n] + strings.ToLower(g[n:])
	}
	return string(unicode.ToTitle(r))
}

func capitalize(s string) string {
	if s == "" {
		return s
	}
	r, n := utf8.DecodeRuneInString(s)
	return titleRune(r) + lower(s[n:])
}

// titleWords is str.title: every run of cased characters is capitalized.
func titleWords(s string) string {
	var b strings.Builder
	inside := false
	for _, r := range s {
		if inside {
			b.WriteRune(unicode.ToLower(r))
		} else {
			b.WriteString(titleRune(r))
		}
		inside = isCased(r)
	}
	return b.String()
}

// titleFilter is Jinja's own idea of a title: words begin behind white space,
// hyphens and opening brackets.
func titleFilter(s string) string {
	var b strings.Builder
	begins := true
	start := 0
	flush := func(end int) {
		b.WriteString(lower(s[start:end]))
		start = end
	}
	for i, r := range s {
		switch {
		case isSpace(r) || strings.ContainsRune("-({[<", r):
			begins = true
		case begins:
			flush(i)
			b.WriteString(upper(string(r)))
			start = i + utf8.RuneLen(r)
			if r == utf8.RuneError {
				_, n := utf8.DecodeRuneInString(s[i:])
				start = i + n
			}
			begins = false
		}
	}
	flush(len(s))
	return b.String()
}

func swapCase(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsUpper(r) {
			b.WriteString(lower(string(r)))
		} else {
			b.WriteString(upper(string(r)))
		}
	}
	return b.String()
}

// allRunes tells whether s is not empty and f holds of all its characters.
func allRunes(s string, f func(rune) bool) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !f(r) }) < 0
}

// hasCase tells whether s has cased characters and all are as f wants them.
func hasCase(s string, f func(rune) bool) bool {
	cased := false
	for _, r := range s {
		if isCased(r) {
			if cased = true; !f(r) {
				return false
			}
		}
	}
	return cased
}

// strip removes the characters in chars, or white space, from the ends asked
// for.
func strip(s, chars string, white, left, right bool) string {
	in := isSpace
	if !white {
		set := map[rune]bool{}
		for _, r := range chars {
			set[r] = true
		}
		in = func(r rune) bool { return set[r] }
	}
	if left {
		s = strings.TrimLeftFunc(s, in)
	}
	if right {
		s = strings.TrimRightFunc(s, in)
	}
	return s
}
