// Package pyjson reads JSON as Python's json module writes it: with the numbers
// NaN, Infinity and -Infinity, which JSON itself does not have.
package pyjson

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Substitutes for the numbers that JSON lacks: numbers that are valid JSON
// and fit no float, so that a reader that wants one still gets an error.
const (
	infinite = "1e999"
	notANum  = "2e999"
)

// words are Python's, longest first where one begins another.
var words = []struct{ from, to string }{{"-Infinity", "-" + infinite}, {"Infinity", infinite}, {"NaN", notANum}}

// Clean returns b as JSON: Python's words outside strings become numbers that
// Number reads as infinite or as no number. Without such words it is b itself.
func Clean(b []byte) []byte {
	if !bytes.Contains(b, []byte("Infinity")) && !bytes.Contains(b, []byte("NaN")) {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	inString := false
next:
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inString && c == '\\' && i+1 < len(b):
			out = append(out, c, b[i+1])
			i++
			continue
		case c == '"':
			inString = !inString
		case !inString && (c == '-' || c == 'I' || c == 'N'):
			for _, w := range words {
				if bytes.HasPrefix(b[i:], []byte(w.from)) {
					out = append(out, w.to...)
					i += len(w.from) - 1
					continue next
				}
			}
		}
		out = append(out, b[i])
	}
	return out
}

// Number reads a number out of a cleaned document, infinite ones and NaN
// included. It also takes the object that transformers 5 writes for them:
// {"__float__": "Infinity"}.
func Number(raw json.RawMessage) (v float64, ok bool) {
	text := string(bytes.TrimSpace(raw))
	switch text {
	case infinite:
		return math.Inf(1), true
	case "-" + infinite:
		return math.Inf(-1), true
	case notANum:
		return math.NaN(), true
	}
	if strings.HasPrefix(text, "{") {
		var named struct {
			Float *string `json:"__float__"`
		}
		if json.Unmarshal(raw, &named) != nil || named.Float == nil {
			return 0, false
		}
		v, err := strconv.ParseFloat(*named.Float, 64)
		return v, err == nil
	}
	return v, text != "null" && json.Unmarshal(raw, &v) == nil
}

// Spell gives an error's text with Python's words in the places of their
// substitutes.
func Spell(text string) string {
	return strings.NewReplacer(infinite, "Infinity", notANum, "NaN").Replace(text)
}
