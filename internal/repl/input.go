package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// lineReader gives the input line by line.
type lineReader interface {
	// Line returns the next line without its end, and io.EOF at the input's end.
	// Where somebody pressed Ctrl-C it is errInterrupt, or errLeave at an empty line.
	Line(continued bool) (string, error)
	Close() error
}

var (
	errInterrupt = errors.New("interrupt")
	errLeave     = fmt.Errorf("%w of an empty line", errInterrupt)
)

// quotes begin and end a message of several lines.
const quotes = `"""`

// input is a text that somebody entered.
type input struct {
	text    string
	command bool // begins with a slash
	quoted  bool // stood between quotes, and is no command
}

// read gives the next input: a line, which is a command when it begins with a
// slash, or a text between quotes, which never is.
func (r *repl) read() (in input, err error) {
	line, err := r.lines.Line(false)
	first, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), quotes)
	if err != nil || !ok {
		return input{text: line, command: isCommand(line)}, err
	}
	text, err := r.quoted(first)
	if errors.Is(err, errLeave) { // only the message is given up
		err = errInterrupt
	}
	return input{text: text, quoted: true}, err
}

// isCommand says whether a line is one: its first word begins with a slash, and is
// no path.
func isCommand(line string) bool {
	rest, ok := strings.CutPrefix(line, "/")
	if at := strings.IndexAny(rest, " \t\n"); at >= 0 {
		rest = rest[:at]
	}
	return ok && !strings.Contains(rest, "/")
}

// quoted goes on reading up to the closing quotes. first is the rest of the
// line that opened them.
func (r *repl) quoted(first string) (string, error) {
	if body, ok := strings.CutSuffix(strings.TrimRight(first, " \t"), quotes); ok {
		return body, nil
	}
	var lines []string
	if first != "" {
		lines = append(lines, first)
	}
	for {
		line, err := r.lines.Line(true)
		if errors.Is(err, io.EOF) {
			return "", fmt.Errorf("the input ends inside %s", quotes)
		}
		if err != nil {
			return "", err
		}
		if body, ok := strings.CutSuffix(strings.TrimRight(line, " \t"), quotes); ok {
			if body != "" {
				lines = append(lines, body)
			}
			return strings.Join(lines, "\n"), nil
		}
		lines = append(lines, line)
	}
}

// pipe reads lines nobody types.
type pipe struct{ s *bufio.Scanner }

// maxLine bounds a line from a pipe. It is far above a context's size.
const maxLine = 16 << 20

func newPipe(in io.Reader) *pipe {
	s := bufio.NewScanner(in)
	s.Buffer(nil, maxLine)
	return &pipe{s}
}

func (p *pipe) Line(bool) (string, error) {
	if p.s.Scan() {
		return strings.TrimSuffix(p.s.Text(), "\r"), nil
	}
	switch err := p.s.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return "", fmt.Errorf("a line of the input is over %d MB long", maxLine>>20)
	case err != nil:
		return "", err
	}
	return "", io.EOF
}

func (p *pipe) Close() error { return nil }
