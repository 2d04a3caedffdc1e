package repl

import (
	"strings"
	"sync"
	"unicode/utf8"
)

// longPaste is how many bytes of pasted text are still edited as if they had
// been typed: the line is drawn anew for characters within it.
const longPaste = 1000

// Each longer pasted text stands in the line as one character of a private use
// plane, which gives the text's place in the list.
const (
	firstMark = '\U0010F000'
	lastMark  = '\U0010FFFD'
)

// pastes are the long texts that were pasted. The terminal's reader adds what
// the chat takes out.
type pastes struct {
	mu   sync.Mutex
	list []string
}

// keep returns the character that stands for the text in a line.
func (p *pastes) keep(text string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	mark := firstMark + rune(len(p.list))
	if len(text) <= longPaste || mark > lastMark {
		return text
	}
	p.list = append(p.list, text)
	return string(mark)
}

// expand puts the texts in the place of their marks and counts them.
func (p *pastes) expand(line string) (text string, pasted int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out strings.Builder
	for _, r := range line {
		if i := int(r - firstMark); i >= 0 && i < len(p.list) {
			out.WriteString(p.list[i])
			pasted++
		} else {
			out.WriteRune(r)
		}
	}
	return out.String(), pasted
}

// paint shows line ends and long pasted texts within a line, and control
// characters as marks: one character for each.
func paint(line []rune) []rune {
	out := make([]rune, len(line))
	for i, r := range line {
		switch {
		case r == newline:
			r = '⏎'
		case r >= firstMark && r <= lastMark:
			r = '▤'
		default:
			r, _ = utf8.DecodeRuneInString(Visible(string(r)))
		}
		out[i] = r
	}
	return out
}
