package eval

import (
	"fmt"
	"io"
	"strings"
)

// Sizes of the drawing, in pixels.
const (
	cellWidth, cellHeight = 72, 40
	svgLeft, svgTop       = 84, 64
)

// SVG draws the grid: a row a length, a column a depth, from red for nothing
// found to green for everything.
func (g *Grid) SVG(w io.Writer, title string) error {
	width, height := svgLeft+cellWidth*len(g.Depths)+16, svgTop+cellHeight*len(g.Lengths)+16
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="13" text-anchor="middle">`+"\n", width, height)
	fmt.Fprintf(&b, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", width, height)
	label := func(x, y int, text string) {
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\">%s</text>\n", x, y, escaper.Replace(text))
	}
	label(width/2, 20, title)
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

// escaper makes text safe in XML; control characters are left out.
var escaper = strings.NewReplacer(append(controls(), "&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")...)

func controls() (pairs []string) {
	for c := range rune(0x20) {
		pairs = append(pairs, string(c), "")
	}
	return pairs
}
