package toolcall

import (
	"bytes"
	"encoding/json"
)

// scanner finds the end of a JSON object in text that comes in pieces.
type scanner struct {
	depth           int
	quoted, escaped bool
}

// end is how many bytes of the next piece belong to the object, and whether it ends there.
func (s *scanner) end(text string) (n int, done bool) {
	for i := range len(text) {
		switch c := text[i]; {
		case s.escaped:
			s.escaped = false
		case s.quoted:
			s.escaped, s.quoted = c == '\\', c != '"'
		case c == '"':
			s.quoted = true
		case c == '{' || c == '[':
			s.depth++
		case c == '}' || c == ']':
			if s.depth--; s.depth == 0 {
				return i + 1, true
			}
		}
	}
	return len(text), false
}

// plainJSON is JSON with <, > and & as they are.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}
