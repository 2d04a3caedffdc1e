package jinja

import "strings"

// Rendered is the text of a conversation.
type Rendered struct {
	Text string
	// Outside are the bytes that came from outside: messages, tools, documents
	// and other variables. The ranges are in order and apart. Nothing in them
	// may become a special token or a part of one.
	Outside [][2]int
}

func rendered(b *builder) Rendered {
	r := Rendered{Text: b.text.String(), Outside: make([][2]int, len(b.spans))}
	for i, s := range b.spans {
		r.Outside[i] = [2]int{int(s.from), int(s.to)}
	}
	return r
}

// After is the text behind prefix in r. r must begin with prefix, with the same
// parts of it from outside.
func (r Rendered) After(prefix Rendered) (Rendered, bool) {
	rest, ok := r.AfterText(prefix.Text)
	if !ok {
		return Rendered{}, false
	}
	n := len(prefix.Text)
	for i, s := range prefix.Outside {
		if i >= len(r.Outside) || r.Outside[i][0] != s[0] || min(r.Outside[i][1], n) != s[1] {
			return Rendered{}, false
		}
	}
	if more := len(prefix.Outside); more < len(r.Outside) && r.Outside[more][0] < n {
		return Rendered{}, false
	}
	return rest, true
}

// AfterText is the text behind prefix in r, whatever its origin.
func (r Rendered) AfterText(prefix string) (Rendered, bool) {
	text, ok := strings.CutPrefix(r.Text, prefix)
	if !ok {
		return Rendered{}, false
	}
	rest := Rendered{Text: text, Outside: [][2]int{}}
	for _, s := range r.Outside {
		if to := s[1] - len(prefix); to > 0 {
			rest.Outside = append(rest.Outside, [2]int{max(s[0]-len(prefix), 0), to})
		}
	}
	return rest, true
}
