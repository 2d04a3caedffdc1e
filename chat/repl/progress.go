package repl

import (
	"fmt"
	"io"
	"time"
)

// Progress shows on a terminal how much of a long prompt has been read. The
// zero value with Out set is ready.
type Progress struct {
	Out   io.Writer
	start time.Time
	shown bool
}

// Patience is how long work may take before its progress is shown.
const Patience = time.Second

// Report is called as tokens are read; total 0 ends the report.
func (p *Progress) Report(done, total int) {
	switch {
	case total == 0 || done == total:
		if p.shown {
			fmt.Fprint(p.Out, "\r\033[K")
		}
		*p = Progress{Out: p.Out}
	case p.start.IsZero():
		p.start = time.Now()
	case time.Since(p.start) > Patience:
		p.shown = true
		fmt.Fprintf(p.Out, "\r\033[2mreading %d of %d tokens\033[0m\033[K", done, total)
	}
}
