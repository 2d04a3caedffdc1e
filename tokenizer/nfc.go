package tokenizer

import (
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is the length of a run of combining marks from which x/text would put a
// combining grapheme joiner into the text ("stream-safe" text, 30 marks), less a margin.
const maxMarks = 24

// form is a form of normalization, as the native library knows it.
type form struct {
	norm  norm.Form
	parts norm.Form // NFD or NFKD
	// alone are characters that the native library's data, of about Unicode 9, do not
	// have: they pass unchanged, and nothing moves over them.
	alone []*unicode.RangeTable
}

var (
	nfc  = form{norm.NFC, norm.NFD, []*unicode.RangeTable{nfcAlone}}
	nfd  = form{norm.NFD, norm.NFD, []*unicode.RangeTable{nfcAlone, nfdAlone}}
	nfkc = form{norm.NFKC, norm.NFKD, []*unicode.RangeTable{nfcAlone, nfkcAlone}}
	nfkd = form{norm.NFKD, norm.NFKD, []*unicode.RangeTable{nfcAlone, nfdAlone, nfkcAlone}}
)

// firstAlone is the first character of the tables.
const firstAlone = 0x7FD

// apply normalizes text.
func (f form) apply(s string) string {
	if isASCII(s) {
		return s
	}
	var out []byte
	start := 0 // of what follows the last character that stands alone
	for i, r := range s {
		if r < firstAlone || !unicode.In(r, f.alone...) {
			continue
		}
		end := i + utf8.RuneLen(r)
		out = append(append(out, f.compose(s[start:i])...), s[i:end]...)
		start = end
	}
	if start == 0 {
		return f.compose(s)
	}
	return string(append(out, f.compose(s[start:])...))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// compose normalizes text without characters that stand alone.
func (f form) compose(s string) string {
	if f.hasMarkRun(s) {
		return f.composeLong(s)
	}
	return f.norm.String(s)
}

// hasMarkRun reports whether s has more combining marks in a row than x/text leaves alone.
// What composes backwards without being a mark (Hangul vowels) counts there too.
func (f form) hasMarkRun(s string) bool {
	run := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := f.norm.PropertiesString(s[i:])
		marks := utf8.RuneCount(p.Decomposition())
		if p.BoundaryBefore() {
			run = marks // a starter may end in marks when decomposed
		} else {
			run += max(marks, 1)
		}
		if run > maxMarks {
			return true
		}
		i += max(p.Size(), 1)
	}
	return false
}

// char is a character of decomposed text, and its combining class.
type char struct {
	text string
	ccc  uint8
}

// decompose appends the characters of text as the form's parts, not yet in order.
func (f form) decompose(chars []char, s string) []char {
	for i := 0; i < len(s); {
		p := f.parts.PropertiesString(s[i:])
		_, size := utf8.DecodeRuneInString(s[i:])
		// Most characters have no parts. Hangul's are not in the tables.
		if r := s[i : i+size]; p.Size() == size && p.Decomposition() == nil && (r < "\uac00" || r > "\ud7a3") {
			chars = append(chars, char{r, p.CCC()})
			i += size
			continue
		}
		// Only bytes that are no UTF-8 do not decode; they pass as they are.
		full := f.parts.String(s[i : i+size])
		for j := 0; j < len(full); {
			_, n := utf8.DecodeRuneInString(full[j:])
			chars = append(chars, char{full[j : j+n], norm.NFD.PropertiesString(full[j : j+n]).CCC()})
			j += n
		}
		i += size
	}
	return chars
}

// order sorts each run of combining marks by class, stably.
func order(chars []char) {
	for i := 0; i < len(chars); i++ {
		end := i
		for end < len(chars) && chars[end].ccc != 0 {
			end++
		}
		if end-i > maxMarks {
			orderLong(chars[i:end])
		} else {
			slices.SortStableFunc(chars[i:end], func(a, b char) int { return int(a.ccc) - int(b.ccc) })
		}
		i = end
	}
}

// orderLong does so in linear time, since a run may be all of a long text.
func orderLong(run []char) {
	var place [257]int // of the next character of a class
	for _, c := range run {
		place[int(c.ccc)+1]++
	}
	for c := 1; c < len(place); c++ {
		place[c] += place[c-1]
	}
	for _, c := range slices.Clone(run) {
		run[place[c.ccc]] = c
		place[c.ccc]++
	}
}

// composeLong is the algorithm of the Unicode standard (UAX 15) without a limit on the
// number of marks: decompose, order marks by class, compose. x/text gives the data.
func (f form) composeLong(s string) string {
	chars := f.decompose(make([]char, 0, utf8.RuneCountInString(s)), s)
	order(chars)
	composed := map[[2]string]string{} // "" where the two do not compose
	join := func(a, b string) string {
		key := [2]string{a, b}
		out, ok := composed[key]
		if !ok {
			if ab := norm.NFC.String(a + b); utf8.RuneCountInString(ab) == 1 {
				out = ab
			}
			composed[key] = out
		}
		return out
	}
	out := make([]char, 0, len(chars))
	starter, last := -1, uint8(0) // last is the class of the character before, behind the starter
	for _, c := range chars {
		blocked := starter >= 0 && starter < len(out)-1 && last >= c.ccc
		if starter >= 0 && !blocked && f.norm != f.parts {
			if ab := join(out[starter].text, c.text); ab != "" {
				out[starter].text = ab
				continue
			}
		}
		if c.ccc == 0 {
			starter = len(out)
		}
		last = c.ccc
		out = append(out, c)
	}
	b := make([]byte, 0, len(s))
	for _, c := range out {
		b = append(b, c.text...)
	}
	return string(b)
}
