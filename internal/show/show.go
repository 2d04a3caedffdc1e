// Package show is the gate that text from outside passes on its way to a
// terminal, a message or JSON: names and values out of files, arguments, errors
// that quote them, what a model says.
package show

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// MaxText is how many characters of one string a message shows.
	MaxText = 200
	// maxLine is how many characters a message has.
	maxLine = 3 * MaxText
)

// control tells whether a terminal may do something else with a character than
// draw it: C0, DEL, C1, and marks that turn the direction of the text behind them.
func control(c rune) bool {
	return c < ' ' || c >= 0x7f && c < 0xa0 || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069
}

// Plain tells whether text is one line that a terminal only draws, which every
// error's text has to be.
func Plain(text string) bool { return utf8.ValidString(text) && !strings.ContainsFunc(text, control) }

// Visible makes marks of control characters, with which a model or a file could
// move the cursor or change the terminal's title, and of what is not UTF-8.
// Newlines and tabs stay.
func Visible(text string) string {
	return strings.Map(func(c rune) rune {
		if control(c) && c != '\n' && c != '\t' {
			return utf8.RuneError
		}
		return c
	}, text)
}

// Text is one string from outside as a message shows it: visible, on one line,
// and at most MaxText characters long.
func Text(text string) string {
	cut := false
	n := 0
	for i := range text {
		if n++; n > MaxText {
			text, cut = text[:i], true
			break
		}
	}
	text = strings.Map(func(c rune) rune {
		if control(c) {
			return utf8.RuneError
		}
		return c
	}, text)
	if cut {
		_, last := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-last] + "…"
	}
	return text
}

// Line is an error's text as one short line. Its words are shown as Text shows
// them, and of a line that is still long the middle is left out: what it is
// about comes first, what to do last.
func Line(err error) string {
	text := err.Error()
	const most = 16 * maxLine // bytes, before anything is looked at
	if len(text) > 2*most {
		text = text[:most] + "…" + text[len(text)-most:]
	}
	text = strings.NewReplacer("\n", "; ", "\t", " ").Replace(text)
	words := strings.Split(text, " ")
	for i, w := range words {
		words[i] = Text(w)
	}
	line := []rune(strings.Join(words, " "))
	if len(line) <= maxLine {
		return string(line)
	}
	return string(line[:maxLine-MaxText]) + "…" + string(line[len(line)-MaxText+1:])
}

// Own is text of the program's, or such as has passed the gate: it is printed as
// it is.
type Own string

// Fprintf prints, with every string, error and text among the arguments shown as
// Text and Line show them. The format is the program's own.
func Fprintf(w io.Writer, format string, args ...any) (int, error) {
	return fmt.Fprintf(w, format, gated(args)...)
}

// Sprintf is the text that Fprintf prints.
func Sprintf(format string, args ...any) string { return fmt.Sprintf(format, gated(args)...) }

// Fprintln prints arguments shown as Fprintf shows them.
func Fprintln(w io.Writer, args ...any) (int, error) { return fmt.Fprintln(w, gated(args)...) }

func gated(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case Own:
			out[i] = string(a)
		case string:
			out[i] = Text(a)
		case []string:
			list := make([]string, len(a))
			for i, s := range a {
				list[i] = Text(s)
			}
			out[i] = list
		case error:
			out[i] = Line(a)
		case fmt.Stringer:
			out[i] = Visible(a.String())
		default:
			out[i] = a
		}
	}
	return out
}

// JSON writes as escapes the control characters that an encoder leaves in its
// strings, which is nowhere else that they can be.
func JSON(data []byte) []byte {
	var b strings.Builder
	for _, c := range string(data) {
		if control(c) && c >= 0x7f {
			fmt.Fprintf(&b, `\u%04x`, c)
			continue
		}
		b.WriteRune(c)
	}
	return []byte(b.String())
}
