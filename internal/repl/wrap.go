package repl

import (
	"io"
	"strings"
	"sync"
)

// wrapper writes text that comes in pieces to a terminal and breaks its rows
// between words. A word is shown as it comes; when it crosses the edge it is taken
// to the next row.
type wrapper struct {
	out     io.Writer
	columns func() int // 0 where nobody knows: then the terminal breaks rows
	escapes bool

	mu     sync.Mutex
	row    string // the text of the present row
	shown  int    // bytes of it that were written
	before int    // columns that it was written for
}

// Write writes the next piece.
func (w *wrapper) Write(text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for more := true; more; {
		var line string
		line, text, more = strings.Cut(text, "\n")
		w.add(&b, line)
		if more {
			b.WriteByte('\n')
			w.row, w.shown = "", 0
		}
	}
	_, err := io.WriteString(w.out, b.String())
	return err
}

func (w *wrapper) add(b *strings.Builder, text string) {
	columns := w.columns()
	if columns <= 0 {
		b.WriteString(text)
		return
	}
	if columns < w.before && cells(w.row[:w.shown]) > columns { // the terminal has cut or moved the row
		b.WriteByte('\n')
		w.row, w.shown = "", 0
		text = strings.TrimLeft(text, " ")
	}
	w.before = columns
	w.row += text
	for {
		show, next := fit(w.row, columns)
		if show >= w.shown {
			b.WriteString(w.row[w.shown:show])
		} else if next < len(w.row) {
			b.WriteString("\r" + w.row[:show])
			if w.escapes {
				b.WriteString("\033[K")
			} else {
				b.WriteString(strings.Repeat(" ", cells(w.row[:w.shown])-cells(w.row[:show])))
			}
		}
		if next == len(w.row) {
			w.shown = max(w.shown, show)
			return
		}
		b.WriteByte('\n')
		w.row, w.shown = w.row[next:], 0
	}
}

// Begun says whether something stands in the present row.
func (w *wrapper) Begun() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shown > 0
}

// Again writes the present row once more: others wrote to the terminal.
func (w *wrapper) Again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.shown == 0 {
		return
	}
	var b strings.Builder
	b.WriteByte('\r')
	if w.escapes {
		b.WriteString("\033[K")
	}
	text := w.row
	w.row, w.shown = "", 0
	w.add(&b, text)
	io.WriteString(w.out, b.String())
}
