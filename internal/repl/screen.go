package repl

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/chzyer/readline"
)

// screen draws the line that is edited. Readline keeps the line, its history and
// what keys do to it, and draws nothing: its table of widths lacks emoji, it counts
// columns where terminals disagree, and none of its settings reaches either. It
// tells its listener, which is the screen, of every key.
//
// Rows are broken here and not by the terminal, so that they are known. With
// escapes the line may take many rows. Where the terminal has fewer, it shows those
// near the cursor. Without escapes it is one row that moves sideways.
type screen struct {
	out     io.Writer
	size    func() (columns, rows int)
	escapes bool

	mu     sync.Mutex
	active bool   // a line is edited
	prompt string // in front of it
	line   []rune
	pos    int
	search *search // Ctrl-R in progress

	top    int   // the first row that is shown
	at     int   // the cursor's row below it
	widths []int // of the rows shown
	wide   int   // columns they were drawn for
	left   int   // without escapes: the first cluster shown

	// Where keys come faster than the line is drawn, as when a text is pasted that
	// the terminal does not mark, some are drawn together.
	later *time.Timer
	until time.Time // no drawing before
}

// search is the text that is looked for in the history.
type search struct {
	text  []rune
	ahead bool
}

// Begin starts a line that holds text already.
func (s *screen) Begin(prompt, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prompt, s.line = prompt, []rune(text)
	s.pos, s.search = len(s.line), nil
	s.fresh()
	s.active = true
}

// fresh means that the cursor stands at the begin of an empty row.
func (s *screen) fresh() { s.top, s.at, s.widths, s.left = 0, 0, nil, 0 }

// soon draws the line now or a little later.
func (s *screen) soon() {
	wait := time.Until(s.until)
	switch {
	case s.later != nil:
	case wait > 0:
		s.later = time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.later != nil && s.active {
				s.draw(false)
			}
		})
	default:
		s.draw(false)
	}
}

// End leaves the whole line on the screen and the cursor below it.
func (s *screen) End(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.line, s.search = []rune(text), nil
	s.pos = len(s.line)
	s.draw(true)
	io.WriteString(s.out, "\r\n")
	s.active = false
}

// Again draws the line below the text of others.
func (s *screen) Again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active {
		s.fresh()
		s.draw(false)
	}
}

// Resized draws the line for the terminal's new width. Narrower terminals have
// taken the rows apart, most of them where they were full.
func (s *screen) Resized() {
	s.mu.Lock()
	defer s.mu.Unlock()
	columns, _ := s.bounds()
	if !s.active || columns == s.wide {
		return
	}
	if s.escapes && s.at < len(s.widths) {
		above := 0
		for _, w := range s.widths[:s.at] {
			above += max(1, (w+columns-1)/columns)
		}
		_, before := s.layout(s.wide)
		s.at = above + max(0, cells(before.text)-1)/columns
	}
	s.draw(false)
}

// Under prints text under the line, which then is drawn anew.
func (s *screen) Under(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draw(true)
	columns, _ := s.bounds()
	io.WriteString(s.out, "\r\n")
	for text != "" {
		show, next := fit(text, columns-spare)
		io.WriteString(s.out, text[:show]+"\r\n")
		text = text[next:]
	}
	s.fresh()
}

// changed is told that a key has made the line so. It returns
// the line that is wanted where that is another one: what is drawn as one
// character is passed and deleted as one.
func (s *screen) changed(line []rune, pos int, key rune, searching bool) (newLine []rune, newPos int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.search != nil
	s.look(key, searching)
	ended := key == readline.CharEnter || key == readline.CharCtrlJ || key == readline.CharInterrupt && !was ||
		key == readline.CharDelete && len(s.line) == 0
	if !s.active || ended || key == 0 {
		return nil, 0, false // the line's end is drawn by End, its begin by Begin
	}
	if !searching && !was {
		line, pos, ok = s.whole(line, pos, key)
	}
	before, old := s.line, s.pos
	s.line, s.pos = line, pos
	switch {
	case key == readline.CharCtrlL && s.escapes:
		io.WriteString(s.out, "\033[H\033[2J")
		s.fresh()
		s.draw(false)
	case s.later != nil || !s.typed(before, old, key):
		s.soon()
	}
	return line, pos, ok
}

// look follows Ctrl-R and the keys behind it.
func (s *screen) look(key rune, searching bool) {
	if !searching {
		s.search = nil
		return
	}
	if s.search == nil {
		s.search = &search{}
	}
	switch t := &s.search.text; {
	case key == readline.CharBckSearch || key == readline.CharFwdSearch:
		s.search.ahead = key == readline.CharFwdSearch
	case key == readline.CharBackspace || key == readline.CharCtrlH:
		*t = (*t)[:max(0, len(*t)-1)]
	case key >= ' ':
		*t = append(*t, key)
	}
}

// whole is the line after a key that readline applied to one code point, applied
// to the whole cluster.
func (s *screen) whole(line []rune, pos int, key rune) ([]rune, int, bool) {
	switch {
	case key == readline.CharBackspace || key == readline.CharCtrlH:
		if from, _ := around(s.line, s.pos-1); s.pos > 0 && from < pos && len(line) == len(s.line)-1 {
			return slices.Delete(line, from, pos), from, true
		}
	case key == deleteKey:
		_, to := around(line, pos)
		return slices.Delete(line, pos, max(pos, to)), pos, true
	case key == readline.CharDelete && s.pos < len(s.line):
		if _, to := around(s.line, s.pos); to > s.pos+1 && len(line) == len(s.line)-1 {
			return slices.Delete(line, pos, pos+to-s.pos-1), pos, true
		}
	}
	if from, to := around(line, pos); pos > from && pos < to {
		if key == readline.CharForward || key >= ' ' {
			return line, to, true
		}
		return line, from, true
	}
	return line, pos, false
}

// typed shows a character typed at the line's end without drawing the rest, and
// says whether that was all.
func (s *screen) typed(before []rune, pos int, key rune) bool {
	n := len(before)
	if s.search != nil || pos != n || s.pos != n+1 || len(s.line) != n+1 || s.line[n] != key {
		return false
	}
	columns, _ := s.bounds()
	if c := s.line[n]; c < ' ' || c >= 0x7f || s.at >= len(s.widths) || s.widths[s.at]+1 >= columns || columns != s.wide {
		return false
	}
	s.widths[s.at]++
	io.WriteString(s.out, string(s.line[n]))
	return true
}

// bounds is the terminal's size, or a usual one where nobody knows.
func (s *screen) bounds() (columns, rows int) {
	columns, rows = s.size()
	if columns <= 0 {
		columns = 80
	}
	if rows <= 0 {
		rows = 24
	}
	return max(columns, 4), rows
}

// row is one of the line's rows.
type row struct {
	text  string
	cells int
}

// head is the text before the line.
func (s *screen) head() string {
	if s.search == nil {
		return s.prompt
	}
	way := "back"
	if s.search.ahead {
		way = "forward"
	}
	return fmt.Sprintf("(search %s: %s) ", way, string(paint(s.search.text)))
}

// layout breaks prompt and line into rows. The cursor is behind before, which
// begins the last of rows[:at+1].
func (s *screen) layout(columns int) (rows []row, before struct {
	text string
	at   int
}) {
	rows = []row{{}}
	cursor := len(s.head()) + len(string(paint(s.line[:s.pos])))
	bytes := 0
	for _, c := range clusters(s.head() + string(paint(s.line))) {
		r := &rows[len(rows)-1]
		if r.cells+c.cells > columns && r.cells > 0 {
			rows = append(rows, row{})
			r = &rows[len(rows)-1]
		}
		if bytes <= cursor && cursor < bytes+len(c.text) {
			before.text, before.at = r.text, len(rows)-1
		}
		r.text += c.text
		r.cells += c.cells
		bytes += len(c.text)
	}
	if cursor >= bytes {
		if rows[len(rows)-1].cells >= columns {
			rows = append(rows, row{})
		}
		before.text, before.at = rows[len(rows)-1].text, len(rows)-1
	}
	return rows, before
}

// draw draws the line over what was drawn of it before; all of it or what the
// terminal has room for.
func (s *screen) draw(all bool) {
	if s.later != nil {
		s.later.Stop()
		s.later = nil
	}
	defer func(begin time.Time) { s.until = time.Now().Add(4 * time.Since(begin)) }(time.Now())
	columns, height := s.bounds()
	if !s.escapes {
		s.drawPlain(columns)
		return
	}
	rows, cursor := s.layout(columns)
	var b bytes.Buffer
	b.WriteByte('\r')
	if s.at > 0 {
		fmt.Fprintf(&b, "\033[%dA", s.at)
	}
	b.WriteString("\033[J")
	if all {
		s.top = 0
	} else {
		room := max(1, height-1)
		s.top = max(min(s.top, cursor.at, len(rows)-room), cursor.at-room+1, 0)
		rows = rows[s.top:min(len(rows), s.top+room)]
	}
	s.widths = s.widths[:0]
	for i, r := range rows {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(r.text)
		s.widths = append(s.widths, r.cells)
	}
	s.at, s.wide = cursor.at-s.top, columns
	if up := len(rows) - 1 - s.at; up > 0 {
		fmt.Fprintf(&b, "\033[%dA", up)
	}
	if s.at < len(rows)-1 || cursor.text != rows[s.at].text {
		b.WriteString("\r" + cursor.text)
	}
	s.out.Write(b.Bytes())
}
