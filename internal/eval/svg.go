package eval

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// Sizes of the drawing, in pixels.
const (
	cellWidth, cellHeight = 72, 40
	svgLeft, svgTop       = 84, 84
)

// SVG draws the grid: a row a length, a column a depth, from red for nothing
// found to green for everything.
func (g *Grid) SVG(w io.Writer, title string) error {
	width, height := svgLeft+cellWidth*len(g.Depths)+16, svgTop+cellHeight*len(g.Lengths)+16
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13" text-anchor="middle" fill="#1f2328">`+"\n", width, height)
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n", width, height)
	label := func(x, y int, text string) {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%s</text>\n", x, y, escaped(text))
	}
	label(width/2, 20, title)
	label(svgLeft+cellWidth*len(g.Depths)/2, svgTop-32, "depth of the fact in the text")
	label(svgLeft/2, svgTop-10, "tokens")
	for j, d := range g.Depths {
		label(svgLeft+cellWidth*j+cellWidth/2, svgTop-10, fmt.Sprintf("%.0f%%", 100*d))
	}
	for i, n := range g.Lengths {
		y := svgTop + cellHeight*i
		label(svgLeft/2, y+cellHeight/2+5, fmt.Sprint(n))
		for j, found := range g.Found[i] {
			x := svgLeft + cellWidth*j
			hue := 120 * found / g.Asked
			fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"hsl(%d,60%%,65%%)\"/>\n", x+1, y+1, cellWidth-2, cellHeight-2, hue)
			label(x+cellWidth/2, y+cellHeight/2+5, fmt.Sprintf("%d/%d", found, g.Asked))
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// escaped is text as XML may hold it.
func escaped(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder's writes do not fail
	return b.String()
}
