package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// grown are the characters whose upper case is more than one character long,
// each with its upper and its title case. Apart from those, Python's and Go's
// tables agree.
var grown = func() map[rune][2]string {
	m := map[rune][2]string{}
	for entry := range strings.SplitSeq(grownTable, ", ") {
		f := strings.Fields(entry)
		r, _ := utf8.DecodeRuneInString(f[0])
		m[r] = [2]string{f[1], f[2]}
	}
	return m
}()

const grownTable = "" +
	"ß SS Ss, ŉ ʼN ʼN, ǰ J\u030c J\u030c, ΐ Ι\u0308\u0301 Ι\u0308\u0301, " +
	"ΰ Υ\u0308\u0301 Υ\u0308\u0301, և ԵՒ Եւ, ẖ H\u0331 H\u0331, ẗ T\u0308 T\u0308, " +
	"ẘ W\u030a W\u030a, ẙ Y\u030a Y\u030a, ẚ Aʾ Aʾ, ὐ Υ\u0313 Υ\u0313, " +
	"ὒ Υ\u0313\u0300 Υ\u0313\u0300, ὔ Υ\u0313\u0301 Υ\u0313\u0301, ὖ Υ\u0313\u0342 Υ\u0313\u0342, " +
	"ᾀ ἈΙ ᾈ, ᾁ ἉΙ ᾉ, ᾂ ἊΙ ᾊ, ᾃ ἋΙ ᾋ, ᾄ ἌΙ ᾌ, ᾅ ἍΙ ᾍ, ᾆ ἎΙ ᾎ, ᾇ ἏΙ ᾏ, ᾈ ἈΙ ᾈ, ᾉ ἉΙ ᾉ, ᾊ ἊΙ ᾊ, ᾋ ἋΙ ᾋ, " +
	"ᾌ ἌΙ ᾌ, ᾍ ἍΙ ᾍ, ᾎ ἎΙ ᾎ, ᾏ ἏΙ ᾏ, ᾐ ἨΙ ᾘ, ᾑ ἩΙ ᾙ, ᾒ ἪΙ ᾚ, ᾓ ἫΙ ᾛ, ᾔ ἬΙ ᾜ, ᾕ ἭΙ ᾝ, ᾖ ἮΙ ᾞ, ᾗ ἯΙ ᾟ, " +
	"ᾘ ἨΙ ᾘ, ᾙ ἩΙ ᾙ, ᾚ ἪΙ ᾚ, ᾛ ἫΙ ᾛ, ᾜ ἬΙ ᾜ, ᾝ ἭΙ ᾝ, ᾞ ἮΙ ᾞ, ᾟ ἯΙ ᾟ, ᾠ ὨΙ ᾨ, ᾡ ὩΙ ᾩ, ᾢ ὪΙ ᾪ, ᾣ ὫΙ ᾫ, " +
	"ᾤ ὬΙ ᾬ, ᾥ ὭΙ ᾭ, ᾦ ὮΙ ᾮ, ᾧ ὯΙ ᾯ, ᾨ ὨΙ ᾨ, ᾩ ὩΙ ᾩ, ᾪ ὪΙ ᾪ, ᾫ ὫΙ ᾫ, ᾬ ὬΙ ᾬ, ᾭ ὭΙ ᾭ, ᾮ ὮΙ ᾮ, ᾯ ὯΙ ᾯ, " +
	"ᾲ ᾺΙ Ὰ\u0345, ᾳ ΑΙ ᾼ, ᾴ ΆΙ Ά\u0345, ᾶ Α\u0342 Α\u0342, ᾷ Α\u0342Ι Α\u0342\u0345, ᾼ ΑΙ ᾼ, " +
	"ῂ ῊΙ Ὴ\u0345, ῃ ΗΙ ῌ, ῄ ΉΙ Ή\u0345, ῆ Η\u0342 Η\u0342, ῇ Η\u0342Ι Η\u0342\u0345, ῌ ΗΙ ῌ, " +
	"ῒ Ι\u0308\u0300 Ι\u0308\u0300, ΐ Ι\u0308\u0301 Ι\u0308\u0301, ῖ Ι\u0342 Ι\u0342, " +
	"ῗ Ι\u0308\u0342 Ι\u0308\u0342, ῢ Υ\u0308\u0300 Υ\u0308\u0300, ΰ Υ\u0308\u0301 Υ\u0308\u0301, " +
	"ῤ Ρ\u0313 Ρ\u0313, ῦ Υ\u0342 Υ\u0342, ῧ Υ\u0308\u0342 Υ\u0308\u0342, ῲ ῺΙ Ὼ\u0345, ῳ ΩΙ ῼ, " +
	"ῴ ΏΙ Ώ\u0345, ῶ Ω\u0342 Ω\u0342, ῷ Ω\u0342Ι Ω\u0342\u0345, ῼ ΩΙ ῼ, ﬀ FF Ff, ﬁ FI Fi, ﬂ FL Fl, " +
	"ﬃ FFI Ffi, ﬄ FFL Ffl, ﬅ ST St, ﬆ ST St, ﬓ ՄՆ Մն, ﬔ ՄԵ Մե, ﬕ ՄԻ Մի, ﬖ ՎՆ Վն, ﬗ ՄԽ Մխ"

func upperRune(r rune) string {
	if r >= utf8.RuneSelf {
		if g, ok := grown[r]; ok {
			return g[0]
		}
	}
	return string(unicode.ToUpper(r))
}

func titleRune(r rune) string {
	if r >= utf8.RuneSelf {
		if g, ok := grown[r]; ok {
			return g[1]
		}
	}
	return string(unicode.ToTitle(r))
}

// recase changes the case of a text. It calls emit with the new form of each
// character, and the place of the old one.
type recase func(s string, emit func(i int, out string))

// apply changes a text, whose characters keep their origin. The caller pays for
// it, with thrice the text's length: no change of case makes more of it.
func (f recase) apply(x str) str {
	b := &builder{}
	b.text.Grow(len(x.s))
	f(x.s, func(i int, out string) { b.put(x.at(i, out)) })
	return b.str(x.isMarkup())
}

// text is the changed form of s.
func (f recase) text(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	f(s, func(_ int, out string) { b.WriteString(out) })
	return b.String()
}

func upper(s string, emit func(i int, out string)) {
	for i, r := range s {
		emit(i, upperRune(r))
	}
}

func lower(s string, emit func(i int, out string)) {
	for i, r := range s {
		emit(i, lowerAt(s, i, r))
	}
}

// lowerAt is the lower case of the character r at s[i:], by Unicode's two
// exceptions: the dotted capital I keeps its dot, and a capital sigma that ends
// a word becomes a final one.
func lowerAt(s string, i int, r rune) string {
	switch {
	case r == 'İ':
		return "i\u0307"
	case r == 'Σ' && endsWord(s, i):
		return "ς"
	}
	return string(unicode.ToLower(r))
}

// endsWord tells whether cased characters come before the sigma at s[i:] but
// not behind it, marks and apostrophes aside.
func endsWord(s string, i int) bool {
	before := strings.TrimRightFunc(s[:i], ignoresCase)
	after := strings.TrimLeftFunc(s[i+len("Σ"):], ignoresCase)
	r, _ := utf8.DecodeLastRuneInString(before)
	next, _ := utf8.DecodeRuneInString(after)
	return isCased(r) && !isCased(next)
}

func ignoresCase(r rune) bool {
	return strings.ContainsRune("'.:··՟״‘’․‧︓﹒﹕＇．：", r) ||
		unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk)
}

func isUpper(r rune) bool { return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) }
func isLower(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }
func isCased(r rune) bool { return isUpper(r) || isLower(r) || unicode.IsTitle(r) }

func capitalize(s string, emit func(i int, out string)) {
	for i, r := range s {
		if i == 0 {
			emit(i, titleRune(r))
		} else {
			emit(i, lowerAt(s, i, r))
		}
	}
}

// titleWords is str.title: every run of cased characters is capitalized.
func titleWords(s string, emit func(i int, out string)) {
	inside := false
	for i, r := range s {
		if inside {
			emit(i, lowerAt(s, i, r))
		} else {
			emit(i, titleRune(r))
		}
		inside = isCased(r)
	}
}

// titleFilter is Jinja's own idea of a title: words begin behind white space,
// hyphens and opening brackets.
func titleFilter(s string, emit func(i int, out string)) {
	word := func(from, to int) {
		if from == to {
			return
		}
		r, n := utf8.DecodeRuneInString(s[from:to])
		emit(from, upperRune(r))
		lower(s[from+n:to], func(i int, out string) { emit(from+n+i, out) })
	}
	start := 0
	for i, r := range s {
		if isSpace(r) || strings.ContainsRune("-({[<", r) {
			word(start, i)
			start = i + utf8.RuneLen(r)
			emit(i, s[i:start])
		}
	}
	word(start, len(s))
}

func swapCase(s string, emit func(i int, out string)) {
	for i, r := range s {
		switch {
		case isUpper(r):
			emit(i, lowerAt(s, i, r))
		case isLower(r):
			emit(i, upperRune(r))
		default:
			emit(i, string(r))
		}
	}
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
