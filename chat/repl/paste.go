package repl

import (
	"bytes"
	"io"

	"github.com/chzyer/readline"
)

// newline stands for a line's end within a line being edited: readline knows
// single lines only. It is a private use character.
const newline = '\uE4EA'

// filterRune makes Ctrl-J begin a new line of the same message.
func filterRune(r rune) (rune, bool) {
	switch r {
	case readline.CharCtrlJ:
		return newline, true
	case readline.CharCtrlZ: // would stop the process with the terminal in raw mode
		return r, false
	}
	return r, true
}

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
// the terminal marks, see pasteOn) from ending the line that is edited.
type pasteReader struct {
	in     io.ReadCloser
	inside bool
	raw    []byte // read, not yet looked at: maybe the beginning of a mark
	ready  []byte // for the caller
}

var (
	pasteBegin = []byte("\033[200~")
	pasteEnd   = []byte("\033[201~")
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
	b = bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n"))
	b = bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
	b = bytes.ReplaceAll(b, []byte("\t"), []byte("    ")) // a tab would complete
	for _, c := range b {
		switch {
		case c == '\n':
			p.ready = append(p.ready, string(newline)...)
		case c >= ' ' && c != 0x7f: // other control characters would be commands
			p.ready = append(p.ready, c)
		}
	}
}

func (p *pasteReader) Close() error { return p.in.Close() }
