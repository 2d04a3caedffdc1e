package repl

import (
	"bytes"
	"io"

	"github.com/chzyer/readline"
)

// newline stands for a line's end within a line being edited: readline knows
// single lines only. It is a private use character.
const newline = '\uE4EA'

// filterRune drops Ctrl-Z, which would stop the process with the terminal in
// raw mode.
func filterRune(r rune) (rune, bool) { return r, r != readline.CharCtrlZ }

// painter shows line ends within a line.
type painter struct{}

func (painter) Paint(line []rune, _ int) []rune {
	out := append([]rune(nil), line...)
	for i, r := range out {
		if r == newline {
			out[i] = '⏎'
		}
	}
	return out
}

// pasteReader passes input on and keeps the line ends of pasted text (which
// the terminal marks, see pasteOn) from ending the line that is edited. So
// does a line end behind an escape, which is what Alt-Enter sends.
type pasteReader struct {
	in     io.ReadCloser
	inside bool
	last   byte   // passed on inside
	raw    []byte // read, not yet looked at: maybe the beginning of a mark
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
		p.split(err != nil)
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
		p.ready = append(p.ready, b...)
		return
	}
	for _, c := range b {
		switch {
		case c == '\n' && p.last == '\r': // one line end
		case c == '\n' || c == '\r':
			p.ready = append(p.ready, string(newline)...)
		case c == '\t': // would complete
			p.ready = append(p.ready, "    "...)
		case c >= ' ' && c != 0x7f: // other control characters would be commands
			p.ready = append(p.ready, c)
		}
		p.last = c
	}
}

func (p *pasteReader) Close() error { return p.in.Close() }
