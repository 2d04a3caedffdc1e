package repl

import (
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// cluster is text that is drawn as one character: a letter with its accents, an emoji
// with the parts joined to it.
type cluster struct {
	text  string
	cells int // the most that a terminal gives it
	wide  bool
	brk   bool // a row may end behind it
}

// Terminals do not agree about emoji that are joined of several: some draw the
// one picture, others its parts. So a cluster counts as wide as its widest
// drawing, a row never overflows, and no column is ever reached by counting: it
// is reached by writing the text before it once more.
func widest(text string, width int) int {
	if len(text) == 1 {
		return width
	}
	sum := 0
	for _, r := range text {
		sum += uniseg.StringWidth(string(r))
	}
	return max(width, sum)
}

// clusters cuts text. A row may end behind spaces, and around wide characters
// where Unicode's line breaking allows it; not within words at hyphens and
// slashes, so that copied text is whole.
func clusters(text string) (out []cluster) {
	for state := -1; text != ""; {
		var c string
		var bounds int
		c, text, bounds, state = uniseg.StepString(text, state)
		w := widest(c, bounds>>uniseg.ShiftWidth)
		out = append(out, cluster{text: c, cells: w, wide: w > 1, brk: bounds&uniseg.MaskLine != uniseg.LineDontBreak})
	}
	for i := range out {
		near := out[i].wide || i+1 < len(out) && out[i+1].wide
		out[i].brk = out[i].blank() || out[i].brk && near
	}
	return out
}

func (c *cluster) blank() bool { return c.text == " " || c.text == "\t" }

// tab is the distance of a terminal's tab stops.
const tab = 8

// after is the column behind a cluster that begins in one.
func (c *cluster) after(column int) int {
	if c.text == "\t" {
		return (column/tab + 1) * tab
	}
	return column + c.cells
}

// cells is how many columns text takes in a row of its own.
func cells(text string) (n int) {
	for _, c := range clusters(text) {
		n = c.after(n)
	}
	return n
}

// fit cuts text, which begins a row, to the given number of columns. Its first
// show bytes are the row's, and the next row begins at next. Where all of it
// fits, next is len(text). show may be less than next by spaces behind the
// edge.
func fit(text string, columns int) (show, next int) {
	column, at, edge := 0, 0, -1 // edge is where the first cluster over the edge begins
	for _, c := range clusters(text) {
		column = c.after(column)
		if column > columns && edge < 0 {
			if edge = at; at == 0 {
				edge = len(c.text)
			}
		}
		if column > columns && !c.blank() {
			if next == 0 { // one long word
				return edge, edge
			}
			return show, next
		}
		if at += len(c.text); c.brk {
			show, next = len(strings.TrimRight(text[:at], " \t")), at
		}
	}
	if edge >= 0 {
		return edge, len(text)
	}
	return len(text), len(text)
}

// around is the cluster that holds rune i of the line.
func around(line []rune, i int) (from, to int) {
	const most = 64 // longer ones are only made to be long
	i = max(i, 0)
	for from = min(i, len(line)); from > max(0, i-most) && line[from-1] >= utf8.RuneSelf; {
		from--
	}
	if from > 0 { // the text before may belong to it, as a keycap's digit does
		from--
	}
	end := min(i+1, len(line))
	for end < min(len(line), i+most) && line[end-1] >= utf8.RuneSelf {
		end++
	}
	to = from
	for _, c := range clusters(string(line[from:min(len(line), end+1)])) {
		if to += len([]rune(c.text)); i < to {
			return from, to
		}
		from = to
	}
	return from, from
}
