package cmd

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// series is one kind of speed, of which a plot is made.
type series struct {
	name  string
	speed func(r *benchResult) float64
}

var allSeries = []series{
	{"prompt", func(r *benchResult) float64 { return r.PromptTokS }},
	{"generation", func(r *benchResult) float64 { return r.GenTokS }},
}

// plotText draws bars of speed over depth.
func plotText(out io.Writer, b *benchmark) {
	const width = 40
	for _, s := range allSeries {
		top := 0.0
		for i := range b.Results {
			top = max(top, s.speed(&b.Results[i]))
		}
		if top == 0 {
			continue
		}
		fmt.Fprintf(out, "\n%s tok/s over depth\n", s.name)
		for i := range b.Results {
			v := s.speed(&b.Results[i])
			fmt.Fprintf(out, "%8d %s %.1f\n", b.Results[i].Depth, bar(v/top, width), v)
		}
	}
}

// bar is share of so many cells, to an eighth of one.
func bar(share float64, width int) string {
	eighths := int(math.Round(share * float64(width) * 8))
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string(rune('█' + 8 - rest)) // U+2588 is full, U+258F one eighth
	}
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

// The SVG: one panel a series, one line a model.
const (
	panelWidth, panelHeight = 360, 220
	marginLeft, marginTop   = 64, 40
	marginBelow             = 48
	legendLine              = 18
)

var colours = []string{"#1b6ca8", "#d1495b", "#3c8d53", "#8d5a97", "#c17f24", "#444444"}

// plotSVG draws speed over depth for all models.
func plotSVG(out io.Writer, list []benchmark) error {
	var b strings.Builder
	width := len(allSeries)*(panelWidth+marginLeft) + marginLeft/2
	height := marginTop + panelHeight + marginBelow + legendLine*len(list)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)
	for i, s := range allSeries {
		panel(&b, s, list, marginLeft+i*(panelWidth+marginLeft), marginTop)
	}
	for i := range list {
		y := marginTop + panelHeight + marginBelow + legendLine*i
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`, marginLeft, y, colours[i%len(colours)])
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", marginLeft+20, y+11, html.EscapeString(list[i].Model))
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// panel draws one series with its axes, at x and y.
func panel(b *strings.Builder, s series, list []benchmark, x, y int) {
	depth, top := 1, 0.0
	for i := range list {
		for j := range list[i].Results {
			r := &list[i].Results[j]
			depth, top = max(depth, r.Depth), max(top, s.speed(r))
		}
	}
	top = roundTop(top)
	px := func(d int) float64 { return float64(x) + panelWidth*float64(d)/float64(depth) }
	py := func(v float64) float64 { return float64(y) + panelHeight*(1-v/top) }
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s, tok/s over depth</text>`+"\n", x, y-16, s.name)
	for i := range 5 {
		v, d := top*float64(i)/4, depth*i/4
		fmt.Fprintf(b, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.4g</text>`, x, py(v), panelWidth, x-6, py(v)+4, v)
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", px(d), y+panelHeight+18, d)
	}
	for i := range list {
		colour, path := colours[i%len(colours)], ""
		for j := range list[i].Results {
			r := &list[i].Results[j]
			verb := "L"
			if j == 0 {
				verb = "M"
			}
			path += fmt.Sprintf("%s%.1f %.1f", verb, px(r.Depth), py(s.speed(r)))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, px(r.Depth), py(s.speed(r)), colour)
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
