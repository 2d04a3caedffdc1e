package constrain

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Error says which part of a grammar, pattern or schema cannot be held, and why.
type Error struct {
	Path string // of a schema's part, a rule's name, or a place in the text; "" for the whole
	Text string
}

func (e *Error) Error() string {
	text := e.Text
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	return strings.Map(func(r rune) rune { // one line, whatever it quotes
		if unicode.IsControl(r) {
			return '\ufffd'
		}
		return r
	}, text)
}

func errorf(path, format string, args ...any) *Error {
	return &Error{Path: path, Text: fmt.Sprintf(format, args...)}
}

// ErrWork is the error of a mask, a token or a compilation that takes more steps
// than are allowed.
var ErrWork = errors.New("the constraint on the output takes too much work: it has too many ways to read the same text")

// ErrToken is wrapped by the error of a token that may not come next.
var ErrToken = errors.New("the constraint on the output does not allow this token")

// at gives an error a path, where it has none.
func at(err error, path string) error {
	if e, ok := err.(*Error); ok && e.Path == "" {
		return &Error{Path: path, Text: e.Text}
	}
	return err
}
