package tokenizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is the length of a run of combining marks from which x/text would put a
// combining grapheme joiner into the text ("stream-safe" text, 30 marks), less a margin.
const maxMarks = 24

// nfc composes text canonically.
func nfc(s string) string {
	ascii := true
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	switch {
	case ascii:
		return s
	case hasMarkRun(s):
		return composeLong(s)
	}
	return norm.NFC.String(s)
}

// hasMarkRun reports whether s has more combining marks in a row than x/text leaves alone.
func hasMarkRun(s string) bool {
	run := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := norm.NFD.PropertiesString(s[i:])
		marks := utf8.RuneCount(p.Decomposition())
		if p.CCC() == 0 {
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

// composeLong is the algorithm of the Unicode standard (UAX 15) without a limit on the
// number of marks: decompose, order marks by class, compose. x/text gives the data.
func composeLong(s string) string {
	type char struct {
		text string
		ccc  uint8
	}
	var chars []char
	appendChar := func(text string) {
		chars = append(chars, char{text, norm.NFD.PropertiesString(text).CCC()})
	}
	for i := 0; i < len(s); {
		_, size := utf8.DecodeRuneInString(s[i:])
		// Only bytes that are no UTF-8 do not decode; they pass as they are.
		full := norm.NFD.String(s[i : i+size])
		for j := 0; j < len(full); {
			_, n := utf8.DecodeRuneInString(full[j:])
			appendChar(full[j : j+n])
			j += n
		}
		i += size
	}
	for i := 0; i < len(chars); i++ {
		if chars[i].ccc == 0 {
			continue
		}
		end := i
		for end < len(chars) && chars[end].ccc != 0 {
			end++
		}
		slices.SortStableFunc(chars[i:end], func(a, b char) int { return int(a.ccc) - int(b.ccc) })
		i = end
	}
	composed := map[[2]string]string{} // "" where the two do not compose
	compose := func(a, b string) string {
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
		if starter >= 0 && !blocked {
			if ab := compose(out[starter].text, c.text); ab != "" {
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
