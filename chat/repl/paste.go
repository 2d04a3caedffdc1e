package repl

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/chzyer/readline"
)

// newline stands for a line's end within a line being edited: readline knows
// single lines only. It is a private use character.
const newline = '\uE4EA'

// filterRune drops Ctrl-Z, which would stop the process with the terminal in
// raw mode.
func filterRune(r rune) (rune, bool) { return r, r != readline.CharCtrlZ }

// longPaste is how many bytes of pasted text are still edited as if they had
// been typed: readline draws the whole line anew for every character.
const longPaste = 1000

// Longer pasted texts stand in the line as one character each, of a private
// use plane, which means the text at its place in the list.
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

// keep returns what stands for the text in a line.
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

// expand puts the texts where their marks stand and says how many there were.
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

// painter shows line ends and long pasted texts within a line.
type painter struct{}

func (painter) Paint(line []rune, _ int) []rune {
	out := append([]rune(nil), line...)
	for i, r := range out {
		switch {
		case r == newline:
			out[i] = '⏎'
		case r >= firstMark && r <= lastMark:
			out[i] = '▤'
		}
	}
	return out
}

// pasteReader passes input on and keeps the line ends of pasted text (which
// the terminal marks, see pasteOn) from ending the line that is edited. So
// does a line end behind an escape, which is what Alt-Enter sends.
type pasteReader struct {
	in     io.ReadCloser
	long   *pastes
	inside bool
	last   byte   // passed on inside
	raw    []byte // read, not yet looked at: maybe the beginning of a mark
	pasted []byte // inside, up to now
	ready  []byte // for the caller
}

var (
	pasteBegin = []byte("\033[200~")
	pasteEnd   = []byte("\033[201~")
	altEnter   = []byte("\033\r")
)

func (p *pasteReader) Read(b []byte) (int, error) {
	for len(p.ready) == 0 {
		var buf [4096]byte
		n, err := p.in.Read(buf[:])
		p.raw = append(p.raw, buf[:n]...)
		if p.split(err != nil); err != nil {
			p.ready, p.pasted = append(p.ready, p.pasted...), nil
		}
		if err != nil && len(p.ready) == 0 {
			return 0, err
		}
	}
	n := copy(b, p.ready)
	p.ready = p.ready[n:]
	return n, nil
}

// split moves raw to ready as far as it is understood.
func (p *pasteReader) split(end bool) {
	for len(p.raw) > 0 {
		mark := pasteBegin
		if p.inside {
			mark = pasteEnd
		}
		at := bytes.IndexByte(p.raw, mark[0])
		if at < 0 {
			at = len(p.raw)
		}
		p.pass(p.raw[:at])
		p.raw = p.raw[at:]
		switch {
		case bytes.HasPrefix(p.raw, mark):
			p.raw, p.inside = p.raw[len(mark):], !p.inside
			p.ready = append(p.ready, p.long.keep(string(p.pasted))...)
			p.pasted = p.pasted[:0]
		case !p.inside && bytes.HasPrefix(p.raw, altEnter):
			p.ready = append(p.ready, string(newline)...)
			p.raw = p.raw[len(altEnter):]
		case len(p.raw) > 1 && bytes.HasPrefix(mark, p.raw) && !end:
			return // the rest comes with the next read; a lone escape is a key
		case len(p.raw) > 0:
			p.pass(p.raw[:1])
			p.raw = p.raw[1:]
		}
	}
}

func (p *pasteReader) pass(b []byte) {
	if !p.inside {
		// A NUL is Ctrl-Space, or a Ctrl-D typed before raw mode. Readline takes
		// it for the input's end, but closes only after another key.
		p.ready = append(p.ready, bytes.ReplaceAll(b, []byte{0}, nil)...)
		return
	}
	for _, c := range b {
		switch {
		case c == '\n' && p.last == '\r': // one line end
		case c == '\n' || c == '\r':
			p.pasted = append(p.pasted, string(newline)...)
		case c == '\t': // would complete
			p.pasted = append(p.pasted, "    "...)
		case c >= ' ' && c != 0x7f: // other control characters would be commands
			p.pasted = append(p.pasted, c)
		}
		p.last = c
	}
}

func (p *pasteReader) Close() error { return p.in.Close() }
