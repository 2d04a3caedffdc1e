package jinja

import (
	"slices"
	"strings"
)

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

// From is the text behind its first n bytes.
func (r Rendered) From(n int) Rendered {
	rest, _ := r.AfterText(r.Text[:n])
	return rest
}

// Common is how many bytes two texts begin with in common.
func Common(a, b string) int {
	const block = 64
	n, most := 0, min(len(a), len(b))
	for n+block <= most && a[n:n+block] == b[n:n+block] {
		n += block
	}
	for n < most && a[n] == b[n] {
		n++
	}
	return n
}

// Ends says whether a part from outside ends behind n bytes.
func (r Rendered) Ends(n int) bool {
	_, ok := slices.BinarySearchFunc(r.Outside, n, func(s [2]int, n int) int { return s[1] - n })
	return ok
}
