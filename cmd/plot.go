package cmd

import (
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// series is one kind of speed to plot: its median, and the distance from the
// slowest run to the fastest as a share of that.
type series struct {
	name  string
	speed func(r *benchResult) (v, spread float64)
}

var allSeries = []series{
	{"prompt", func(r *benchResult) (v, spread float64) { return r.PromptTokS, r.PromptSpread }},
	{"generation", func(r *benchResult) (v, spread float64) { return r.GenTokS, r.GenSpread }},
}

// plotText draws bars of speed over depth.
func plotText(out io.Writer, b *benchmark) {
	const width = 40
	for _, s := range allSeries {
		top := 0.0
		for i := range b.Results {
			v, _ := s.speed(&b.Results[i])
			top = max(top, v)
		}
		if top == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s tok/s over depth\n", s.name)
		for i := range b.Results {
			v, _ := s.speed(&b.Results[i])
			fmt.Fprintf(out, "%8d %s %.1f\n", b.Results[i].Depth, bar(v/top, width), v)
		}
	}
}

// bar fills a share of width cells, to an eighth of one.
func bar(share float64, width int) string {
	eighths := int(math.Round(share * float64(width) * 8))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string(rune('█' + 8 - rest)) // U+2588 is full, U+258F one eighth
	}
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

// The SVG has one panel a series and one line a model, in one colour
// throughout. The background and the text's colour are set, so that a dark page
// shows both.
const (
	panelWidth, panelHeight = 360, 220
	marginLeft, marginTop   = 72, 44
	marginBelow             = 64
	legendLine              = 18
	background, ink, faint  = "#ffffff", "#1f2328", "#d8dee4"
)

// colours can be told apart by most eyes (Okabe and Ito, "Color Universal
// Design", 2008).
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"}

// plotSVG draws speed over depth for all models.
func plotSVG(out io.Writer, list []benchmark) error {
	var b strings.Builder
	width := len(allSeries)*(panelWidth+marginLeft) + marginLeft/2
	height := marginTop + panelHeight + marginBelow + legendLine*(len(list)+1)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="12" fill="%s">`+"\n", width, height, ink)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="%s"/>`+"\n", width, height, background)
	for i, s := range allSeries {
		panel(&b, s, list, marginLeft+i*(panelWidth+marginLeft), marginTop)
	}
	below := marginTop + panelHeight + marginBelow
	for i := range list {
		y := below + legendLine*i
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`, marginLeft, y, colours[i%len(colours)])
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", marginLeft+20, y+11, escaped(list[i].Model))
	}
	fmt.Fprintf(&b, `<text x="%d" y="%d">Points are medians; bars reach from the slowest run to the fastest.</text>`+"\n", marginLeft, below+legendLine*len(list)+11)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// escaped is text as XML may hold it.
func escaped(text string) string {
	var b strings.Builder
	xml.EscapeText(&b, []byte(text)) // a Builder's writes do not fail
	return b.String()
}

// panel draws one series with its axes, at x and y.
func panel(b *strings.Builder, s series, list []benchmark, x, y int) {
	depth, top := 1, 0.0
	for i := range list {
		for j := range list[i].Results {
			r := &list[i].Results[j]
			v, spread := s.speed(r)
			depth, top = max(depth, r.Depth), max(top, v*(1+spread/2))
		}
	}
	top = roundTop(top)
	px := func(d int) float64 { return float64(x) + panelWidth*float64(d)/float64(depth) }
	py := func(v float64) float64 { return float64(y) + panelHeight*(1-v/top) }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", x, y-18, s.name)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">tokens in the context</text>`+"\n", x+panelWidth/2, y+panelHeight+38)
	fmt.Fprintf(b, `<text transform="translate(%d %d) rotate(-90)" text-anchor="middle">tokens a second</text>`+"\n", x-48, y+panelHeight/2)
	for i := range 5 {
		v, d := top*float64(i)/4, depth*i/4
		fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="%s"/><text x="%d" y="%.1f" text-anchor="end">%.4g</text>`, x, py(v), panelWidth, faint, x-6, py(v)+4, v)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", px(d), y+panelHeight+18, d)
	}
	for i := range list {
		colour, path := colours[i%len(colours)], ""
		for j := range list[i].Results {
			r := &list[i].Results[j]
			v, spread := s.speed(r)
			verb := "L"
			if j == 0 {
				verb = "M"
			}
			path += fmt.Sprintf("%s%.1f %.1f", verb, px(r.Depth), py(v))
			fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1f" stroke="%s"/>`, px(r.Depth), py(v*(1-spread/2)), py(v*(1+spread/2)), colour)
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, px(r.Depth), py(v), colour)
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="2"/>`+"\n", path, colour)
	}
}

// roundTop is the next of 1, 2, 4 or 8 times a power of ten.
func roundTop(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 4, 8} {
		if v <= n*unit {
			return n * unit
		}
	}
	return 10 * unit
}
