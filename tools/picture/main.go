// Command picture draws a terminal's screen as SVG: it reads what tmux captured
// (capture-pane -p -e) and writes the picture. tools/picture/session.sh makes the
// README's.
package main

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"os"
	"strconv"
	"strings"

	"github.com/rivo/uniseg"
)

const (
	cell, line = 8.43, 19 // of DejaVu Sans Mono and its kin at 14 pixels
	margin     = 16
	bar        = 30 // above the text, with a window's three dots
)

// style is how text looks: SGR's bold, faint and foreground colour.
type style struct {
	bold, faint bool
	colour      int // 0 to 15, or -1
}

// colours are those of a dark terminal.
var colours = [16]string{"#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
	"#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff"}

// run is text of one style.
type run struct {
	style
	text string
}

func main() {
	log.SetFlags(0)
	if err := draw(os.Stdout, os.Stdin); err != nil {
		log.Fatal("picture: ", err)
	}
}

func draw(out io.Writer, in io.Reader) error {
	var lines [][]run
	now := style{colour: -1}
	wide := 40
	scan := bufio.NewScanner(in)
	for scan.Scan() {
		var runs []run
		runs, now = parse(scan.Text(), now)
		n := 0
		for _, r := range runs {
			n += uniseg.StringWidth(r.text)
		}
		wide = max(wide, n)
		lines = append(lines, runs)
	}
	for len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	width, height := int(cell*float64(wide))+2*margin, bar+line*len(lines)+margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace" font-size="14">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="8" fill="#0d1117"/>`+"\n", width, height)
	for i, c := range []string{"#ff5f56", "#ffbd2e", "#27c93f"} {
		fmt.Fprintf(&b, `<circle cx="%d" cy="16" r="5" fill="%s"/>`, margin+4+18*i, c)
	}
	b.WriteByte('\n')
	for i, runs := range lines {
		x := 0
		for _, r := range runs {
			n := uniseg.StringWidth(r.text)
			if strings.TrimSpace(r.text) != "" {
				fmt.Fprintf(&b, `<text x="%.2f" y="%d" textLength="%.2f" xml:space="preserve"%s>`, margin+cell*float64(x), bar+line*(i+1)-5, cell*float64(n), r.attributes())
				if err := xml.EscapeText(&b, []byte(r.text)); err != nil {
					return err
				}
				b.WriteString("</text>\n")
			}
			x += n
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(out, b.String())
	return err
}

func (s style) attributes() string {
	fill := "#e6edf3"
	if s.colour >= 0 {
		fill = colours[s.colour]
	}
	a := fmt.Sprintf(` fill="%s"`, fill)
	if s.bold {
		a += ` font-weight="bold"`
	}
	if s.faint {
		a += ` opacity="0.65"`
	}
	return a
}

// parse cuts a line into runs of one style; now is the style that it begins with.
func parse(text string, now style) ([]run, style) {
	var runs []run
	add := func(s string) {
		if s != "" {
			runs = append(runs, run{now, s})
		}
	}
	for {
		at := strings.Index(text, "\x1b[")
		end := -1
		if at >= 0 {
			end = strings.IndexByte(text[at:], 'm')
		}
		if end < 0 {
			add(strings.TrimRight(text, " "))
			return runs, now
		}
		add(text[:at])
		for _, code := range strings.Split(text[at+2:at+end], ";") {
			now.set(code)
		}
		text = text[at+end+1:]
	}
}

func (s *style) set(code string) {
	switch n, _ := strconv.Atoi(code); {
	case n == 0:
		*s = style{colour: -1}
	case n == 1:
		s.bold = true
	case n == 2:
		s.faint = true
	case n == 22:
		s.bold, s.faint = false, false
	case n >= 30 && n <= 37:
		s.colour = n - 30
	case n == 39:
		s.colour = -1
	case n >= 90 && n <= 97:
		s.colour = n - 82
	}
}
