// Package vt is a small terminal for tests: a screen that understands the
// sequences programs here write, and a program in it. It measures characters by
// code points, as older terminals do, with tables of its own.
package vt

import (
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"
)

// Screen is a terminal's screen and the rows that have left it at the top.
type Screen struct {
	mu      sync.Mutex
	w, h    int
	rows    [][]string // a wide character is followed by an empty cell
	gone    []string
	x, y    int
	pending []byte // the beginning of a sequence or character
	full    bool   // the last column is written, the next character goes to a new row
	raw     []byte
}

// New is an empty screen.
func New(w, h int) *Screen {
	s := &Screen{w: w, h: h}
	for range h {
		s.rows = append(s.rows, blank(w))
	}
	return s
}

func blank(w int) []string {
	r := make([]string, w)
	for i := range r {
		r[i] = " "
	}
	return r
}

// Resize cuts rows or fills them up, as xterm does.
func (s *Screen) Resize(w, h int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.rows {
		s.rows[i] = append(r, blank(w)...)[:w]
	}
	for len(s.rows) < h {
		s.rows = append(s.rows, blank(w))
	}
	for len(s.rows) > h {
		if s.y > 0 {
			s.y--
		}
		s.gone = append(s.gone, text(s.rows[0]))
		s.rows = s.rows[1:]
	}
	s.w, s.h, s.x, s.full = w, h, min(s.x, w-1), false
}

func text(row []string) string { return strings.TrimRight(strings.Join(row, ""), " ") }

// Lines are all rows up to the last that is not empty, those included that have
// left the screen.
func (s *Screen) Lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := append([]string(nil), s.gone...)
	for _, r := range s.rows {
		out = append(out, text(r))
	}
	for len(out) > 0 && out[len(out)-1] == "" {
		out = out[:len(out)-1]
	}
	return out
}

// Text is Lines as one text.
func (s *Screen) Text() string { return strings.Join(s.Lines(), "\n") }

// Raw is all that was written.
func (s *Screen) Raw() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.raw)
}

// Cursor is the column, and the row's text up to there.
func (s *Screen) Cursor() (x int, before string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.x, strings.Join(s.rows[s.y][:s.x], "")
}

// Row is the text of the row the cursor is in.
func (s *Screen) Row() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return text(s.rows[s.y])
}

// Write implements io.Writer. A line feed returns the carriage, too.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw = append(s.raw, p...)
	s.pending = append(s.pending, p...)
	for len(s.pending) > 0 {
		n := s.step(s.pending)
		if n == 0 {
			break
		}
		s.pending = s.pending[n:]
	}
	return len(p), nil
}

// step does the first thing in b and returns its length, 0 where it is not whole.
func (s *Screen) step(b []byte) int {
	if b[0] == 0x1b {
		return s.escape(b)
	}
	if !utf8.FullRune(b) {
		return 0
	}
	r, n := utf8.DecodeRune(b)
	switch r {
	case '\r':
		s.x, s.full = 0, false
	case '\n':
		s.x, s.full = 0, false
		s.down()
	case '\b':
		s.x, s.full = max(0, s.x-1), false
	case '\t':
		s.x = min(s.w-1, (s.x/8+1)*8)
	default:
		s.put(r)
	}
	return n
}

func (s *Screen) down() {
	if s.y++; s.y < s.h {
		return
	}
	s.y--
	s.gone = append(s.gone, text(s.rows[0]))
	s.rows = append(s.rows[1:], blank(s.w))
}

// Cells is how many columns a code point takes.
func Cells(r rune) int {
	switch {
	case r < ' ' || r >= 0x7f && r < 0xa0 || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case width.LookupRune(r).Kind() == width.EastAsianWide || width.LookupRune(r).Kind() == width.EastAsianFullwidth:
		return 2
	}
	return 1
}

func (s *Screen) put(r rune) {
	n := Cells(r)
	if n == 0 {
		at := s.x - 1
		if s.full {
			at = s.x
		}
		for at > 0 && s.rows[s.y][at] == "" {
			at--
		}
		if at >= 0 && r >= ' ' {
			s.rows[s.y][at] += string(r)
		}
		return
	}
	if s.full || s.x+n > s.w {
		s.x, s.full = 0, false
		s.down()
	}
	s.rows[s.y][s.x] = string(r)
	if n == 2 {
		s.rows[s.y][s.x+1] = ""
	}
	if s.x += n; s.x >= s.w {
		s.x, s.full = s.w-1, true
	}
}

// escape does a sequence; those of one letter are dropped.
func (s *Screen) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != '[' {
		return 2
	}
	end := 2
	for end < len(b) && (b[end] < 0x40 || b[end] > 0x7e) {
		end++
	}
	if end == len(b) {
		return 0
	}
	arg := string(b[2:end])
	n, err := strconv.Atoi(arg)
	if err != nil || n == 0 {
		n = 1
	}
	kind := b[end]
	if kind != 'm' && kind != 'h' && kind != 'l' {
		s.full = false
	}
	switch kind {
	case 'A':
		s.y = max(0, s.y-n)
	case 'B':
		s.y = min(s.h-1, s.y+n)
	case 'C':
		s.x = min(s.w-1, s.x+n)
	case 'D':
		s.x = max(0, s.x-n)
	case 'H':
		s.x, s.y = 0, 0
	case 'K':
		copy(s.rows[s.y][s.x:], blank(s.w))
	case 'J':
		from := s.y
		if arg == "2" {
			from = -1
		} else {
			copy(s.rows[s.y][s.x:], blank(s.w))
		}
		for y := from + 1; y < s.h; y++ {
			s.rows[y] = blank(s.w)
		}
	}
	return end + 1
}
