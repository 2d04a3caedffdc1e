package repl

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Escapes says whether terminals get escape sequences: not where TERM says that
// this one knows none, nor where NO_COLOR says that nobody wants them.
func Escapes() bool { return os.Getenv("TERM") != "dumb" && os.Getenv("NO_COLOR") == "" }

// Progress shows on a terminal how much of a long prompt has been read. The
// zero value with Out set is ready.
type Progress struct {
	Out io.Writer
	// Columns, which may be nil, is the terminal's width.
	Columns func() int
	start   time.Time
	next    time.Time // when it is shown again
	shown   int       // its length on the screen
}

// Patience is how long work may take before its progress is shown.
const Patience = time.Second

// A prompt that will take longer than Patience is known by its first piece, this
// long after its begin.
const firstPiece = Patience / 4

// Report is called as tokens are read; total 0 ends the report.
func (p *Progress) Report(done, total int) {
	now := time.Now()
	switch {
	case total == 0 || done == total:
		p.End()
	case p.start.IsZero():
		p.start = now
	default:
		spent := now.Sub(p.start)
		whole := spent * time.Duration(total) / time.Duration(max(done, 1))
		if spent < firstPiece || whole < Patience || now.Before(p.next) {
			return
		}
		p.next = now.Add(Patience / 10)
		left := (whole - spent).Round(time.Second)
		p.show(fmt.Sprintf("reading %d of %d tokens, %s left", done, total, max(left, time.Second)))
	}
}

// End takes the report from the screen.
func (p *Progress) End() {
	if p.shown > 0 {
		p.show("")
		fmt.Fprint(p.Out, "\r")
	}
	*p = Progress{Out: p.Out, Columns: p.Columns}
}

// show writes a line over the one before; it fills no row, since that would move
// the terminal's rows up.
func (p *Progress) show(line string) {
	if p.Columns != nil {
		if n := p.Columns(); n > 0 {
			line = line[:min(len(line), n-1)]
		}
	}
	if Escapes() {
		if fmt.Fprint(p.Out, "\r\033[K"); line != "" {
			fmt.Fprint(p.Out, "\033[2m"+line+"\033[0m")
		}
	} else {
		fmt.Fprint(p.Out, "\r"+line+strings.Repeat(" ", max(0, p.shown-len(line))))
	}
	p.shown = len(line)
}
