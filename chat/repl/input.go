package repl

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/chzyer/readline"
)

// lineReader gives the input line by line.
type lineReader interface {
	// Line returns the next line without its end, io.EOF at the input's end, and
	// errInterrupt when somebody pressed Ctrl-C.
	Line(continued bool) (string, error)
	Close() error
}

var errInterrupt = errors.New("interrupt")

// quotes begin and end a message of several lines.
const quotes = `"""`

// read gives the next input: a line, which is a command when it begins with a
// slash, or what stands between quotes, which never is.
func (r *repl) read() (text string, command bool, err error) {
	line, err := r.lines.Line(false)
	first, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), quotes)
	if err != nil || !ok {
		return line, strings.HasPrefix(line, "/"), err
	}
	text, err = r.quoted(first)
	return text, false, err
}

// quoted goes on reading up to the closing quotes; first is the rest of the
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

// maxLine bounds a line from a pipe, far above what a context takes.
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

// terminal reads lines with editing, history and completion.
type terminal struct {
	rl   *readline.Instance
	out  io.Writer
	long *pastes
}

const (
	prompt       = "> "
	promptInside = ". "
	// pasteOn and pasteOff ask the terminal to mark what is pasted.
	pasteOn, pasteOff = "\033[?2004h", "\033[?2004l"
)

func newTerminal(in *os.File, history string) (*terminal, error) {
	long := &pastes{}
	raw := &readline.RawMode{}
	rl, err := readline.NewEx(&readline.Config{
		Prompt:                 prompt,
		HistoryFile:            history,
		HistorySearchFold:      true,
		DisableAutoSaveHistory: true, // see Line
		AutoComplete:           completer(),
		InterruptPrompt:        "^C",
		EOFPrompt:              "\n",
		Stdin:                  &pasteReader{in: readline.NewCancelableStdin(in), long: long},
		FuncFilterInputRune:    filterRune,
		// Whoever waits for the prompt, or pastes, meets a terminal that no
		// longer edits lines itself: there a Ctrl-D becomes a NUL.
		FuncMakeRaw: func() error {
			defer io.WriteString(os.Stdout, pasteOn)
			return raw.Enter()
		},
		FuncExitRaw: func() error {
			io.WriteString(os.Stdout, pasteOff)
			return raw.Exit()
		},
		Painter: painter{},
	})
	if err != nil {
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	return &terminal{rl, os.Stdout, long}, nil
}

func (t *terminal) Line(continued bool) (string, error) {
	if continued {
		t.rl.SetPrompt(promptInside)
		defer t.rl.SetPrompt(prompt)
	}
	line, err := t.rl.Readline()
	if errors.Is(err, readline.ErrInterrupt) {
		return "", errInterrupt
	}
	if err != nil {
		return "", err
	}
	text, pasted := t.long.expand(line)
	if pasted > 0 {
		fmt.Fprintf(t.out, "\033[2m[%d characters with what was pasted]\033[0m\n", utf8.RuneCountInString(text))
	} else if line != "" {
		t.rl.SaveHistory(line) // whose marks mean nothing in another chat
	}
	return strings.ReplaceAll(text, string(newline), "\n"), nil
}

func (t *terminal) Close() error { return t.rl.Close() }
