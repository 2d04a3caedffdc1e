package repl

import (
	"io"
	"strings"
)

// drawPlain draws the part of the line around the cursor as one row, with spaces
// over the old text.
func (s *screen) drawPlain(columns int) {
	list := clusters(s.head() + string(paint(s.line)))
	cursor := len(s.head()) + len(string(paint(s.line[:s.pos])))
	room := columns - 1
	sums, ahead, at := make([]int, len(list)+1), 0, 0 // cells before a cluster, clusters before the cursor
	for i, c := range list {
		if sums[i+1] = sums[i] + c.cells; at < cursor {
			ahead = i + 1
		}
		at += len(c.text)
	}
	if s.left = min(s.left, ahead); sums[ahead] <= room {
		s.left = 0
	}
	for s.left > 0 && sums[ahead]-sums[s.left] < room/3 { // some of the text before is seen
		s.left--
	}
	for sums[ahead]-sums[s.left] > room {
		s.left++
	}
	var b, before strings.Builder
	used := 0
	at = 0
	for i, c := range list {
		if i >= s.left && used+c.cells <= room {
			b.WriteString(c.text)
			if used += c.cells; at < cursor {
				before.WriteString(c.text)
			}
		}
		at += len(c.text)
	}
	old := 0
	if len(s.widths) > 0 {
		old = s.widths[0]
	}
	blank := strings.Repeat(" ", max(0, min(old, room)-used))
	s.widths, s.at, s.wide = []int{used}, 0, columns
	out := "\r" + b.String() + blank
	if blank != "" || before.String() != b.String() {
		out += "\r" + before.String()
	}
	io.WriteString(s.out, out)
}
