package repl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/chzyer/readline"
)

// terminal reads lines with editing, history and completion.
type terminal struct {
	*console
	rl     *readline.Instance
	screen *screen
	text   *wrapper // for text that is printed between lines
	long   *pastes
	// history says that there is a file of it; deleting that Delete was pressed.
	history, deleting bool

	last  string // the last line as it was edited
	given string // text the next line begins with
}

const (
	prompt       = "> "
	promptInside = ". "
)

// newTerminal takes a terminal over. out is the same terminal; escapes says that
// it understands sequences and that somebody wants them.
func newTerminal(in *os.File, out io.Writer, escapes bool, history string) (*terminal, error) {
	size := func() (columns, rows int) { return sizeOf(in) }
	t := &terminal{
		console: &console{in: in, out: out, escapes: escapes},
		screen:  &screen{out: out, size: size, escapes: escapes},
		text: &wrapper{out: out, escapes: escapes, columns: func() int {
			columns, _ := size()
			return columns - spare
		}},
		long:    &pastes{},
		history: history != "",
	}
	t.resized = t.screen.Resized
	t.resumed = func() {
		if t.Editing() {
			t.screen.Again()
		} else {
			t.text.Again()
		}
	}
	if err := t.Open(); err != nil {
		return nil, fmt.Errorf("the terminal: %w", err)
	}
	none := func() error { return nil }
	var err error
	t.rl, err = readline.NewEx(&readline.Config{
		HistoryFile:            history,
		HistorySearchFold:      true,
		DisableAutoSaveHistory: true, // see Line
		AutoComplete:           &completions{known: completer(), show: t.screen.Under},
		Stdin:                  &keyReader{in: readline.NewCancelableStdin(in), long: t.long},
		Stdout:                 bell{out},
		Stderr:                 io.Discard,
		Listener:               readline.FuncListener(t.changed),
		FuncFilterInputRune:    t.filter,
		// It draws nothing, see screen.
		FuncIsTerminal:     func() bool { return false },
		FuncGetWidth:       func() int { return 80 },
		FuncOnWidthChanged: func(func()) {},
		FuncMakeRaw:        none,
		FuncExitRaw:        none,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the terminal: %w", err), t.console.Close())
	}
	return t, nil
}

// bell lets nothing through but the bell.
type bell struct{ out io.Writer }

func (b bell) Write(p []byte) (int, error) {
	if len(p) == 1 && p[0] == readline.CharBell {
		return b.out.Write(p)
	}
	return len(p), nil
}

func (t *terminal) changed(line []rune, pos int, key rune) ([]rune, int, bool) {
	if key == 0 { // the line begins; Begin has drawn it
		return nil, 0, false
	}
	if t.deleting {
		t.deleting, key = false, deleteKey
	}
	return t.screen.changed(line, pos, key, t.rl.Operation.IsSearchMode())
}

// filter says which keys readline gets. A key is not dropped, since readline then
// reads on behind the line's end; Ctrl-G does nothing instead, or ends a search.
func (t *terminal) filter(r rune) (rune, bool) {
	switch r {
	case readline.CharBckSearch, readline.CharFwdSearch:
		if !t.history { // readline fails to leave a search of no history
			r = readline.CharBell
		}
	case readline.CharCtrlZ: // typed when it was no signal yet
		r = readline.CharBell
	case deleteKey: // readline's own at an empty line ends the input: changed deletes
		t.deleting, r = true, readline.CharBell
	}
	return r, true
}

// Line implements lineReader.
func (t *terminal) Line(continued bool) (string, error) {
	front := prompt
	if continued {
		front = promptInside
	}
	line, err := t.read(front)
	if err != nil {
		return "", err
	}
	t.last = line
	text, pasted := t.long.expand(line)
	if pasted > 0 {
		t.notice(fmt.Sprintf("%d characters with the pasted text", utf8.RuneCountInString(text)))
	} else if line != "" {
		t.rl.SaveHistory(line) // whose marks mean nothing in another chat
	}
	return strings.ReplaceAll(text, string(newline), "\n"), nil
}

// read edits a line behind its prompt.
func (t *terminal) read(front string) (string, error) {
	if t.text.Begun() {
		t.text.Write("\n")
	}
	t.screen.Begin(front, t.given)
	if t.given != "" {
		t.rl.Operation.SetBuffer(t.given)
		t.given = ""
	}
	if err := t.Set(editing); err != nil {
		return "", err
	}
	t.screen.Again()
	line, err := t.rl.Readline()
	t.screen.End(line)
	if set := t.Set(working); err == nil {
		err = set
	}
	switch {
	case errors.Is(err, readline.ErrInterrupt) && line == "":
		return "", errLeave
	case errors.Is(err, readline.ErrInterrupt):
		return "", errInterrupt
	}
	return line, err
}

// Ask asks a question that is answered with yes or no, which is no.
func (t *terminal) Ask(question string) bool {
	answer, err := t.read(Visible(question) + " [y/N] ")
	answer = strings.ToLower(strings.TrimSpace(answer))
	return err == nil && (answer == "y" || answer == "yes")
}

// GiveBack has the next line begin with text that was said; quoted says that it
// stood between quotes.
func (t *terminal) GiveBack(text string, quoted bool) {
	if line, _ := t.long.expand(t.last); !quoted && strings.ReplaceAll(line, string(newline), "\n") == text {
		t.given = t.last // with its marks
		return
	}
	if quoted {
		text = quotes + text + quotes
	}
	t.given = t.long.keep(strings.ReplaceAll(text, "\n", string(newline)))
}

func (t *terminal) notice(text string) {
	text = "[" + Visible(text) + "]"
	if !t.escapes {
		t.text.Write(text + "\n")
		return
	}
	io.WriteString(t.out, "\033[2m")
	t.text.Write(text)
	io.WriteString(t.out, "\033[0m")
	t.text.Write("\n")
}

// Close implements lineReader.
func (t *terminal) Close() error {
	return errors.Join(t.rl.Close(), t.console.Close())
}

// completions offers the words that begin as the line does. Where nothing more is common to
// all of it, it is listed under the line.
type completions struct {
	known readline.AutoCompleter
	show  func(text string)
}

// Do implements [readline.AutoCompleter].
func (c *completions) Do(line []rune, pos int) ([][]rune, int) {
	list, n := c.known.Do(line, pos)
	if len(list) < 2 {
		return list, n
	}
	same := list[0]
	for _, l := range list {
		for !slices.Equal(same, l[:min(len(l), len(same))]) {
			same = same[:len(same)-1]
		}
	}
	if len(same) > 0 {
		return [][]rune{same}, n
	}
	begin := string(line[max(0, pos-n):pos])
	w := &strings.Builder{}
	for _, l := range list {
		fmt.Fprintf(w, "%s%s ", begin, strings.TrimSpace(string(l)))
	}
	c.show(strings.TrimSpace(w.String()))
	return nil, 0
}
