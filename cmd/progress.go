package cmd

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/mil-run/mil/internal/show"
)

// progress shows how far long work is: on a terminal as a bar, elsewhere as a line
// every tenth, or not at all.
type progress struct {
	out      io.Writer
	terminal bool
	text     string // before the bar; "" names the part that is worked on
	options  []progressbar.Option
	wait     time.Duration // the work runs so long before a bar appears
	// line, which may be nil, is the line for a tenth, with the part and the total.
	line  func(percent int64, part string, total int64) string
	start time.Time
	bar   *progressbar.ProgressBar
	part  string
	tenth int64
}

func newProgress(out io.Writer, text string, options ...progressbar.Option) *progress {
	return &progress{out: out, terminal: isTerminal(out), text: text, options: options, start: time.Now()}
}

// step reports how much is done.
func (p *progress) step(done, total int64) { p.steps("", done, total) }

// count is step for numbers of tokens and questions.
func (p *progress) count(done, total int) { p.steps("", int64(done), int64(total)) }

// steps is step with the name of the part that is worked on, such as a file.
func (p *progress) steps(part string, done, total int64) {
	switch {
	case p.terminal:
		p.draw(part, min(done, total), total)
	case p.line != nil && total > 0:
		if now := 10 * done / total; now > p.tenth {
			p.tenth = now
			show.Fprintln(p.out, p.line(10*now, part, total))
		}
	}
}

func (p *progress) draw(part string, done, total int64) {
	if p.bar == nil {
		if time.Since(p.start) < p.wait {
			return
		}
		p.bar = progressbar.NewOptions64(total, append([]progressbar.Option{progressbar.OptionSetWriter(p.out), progressbar.OptionSetDescription(p.text),
			progressbar.OptionThrottle(100 * time.Millisecond), progressbar.OptionClearOnFinish()}, p.options...)...)
	}
	if p.text == "" && part != p.part {
		p.part = part
		p.bar.Describe(show.Visible(part))
	}
	_ = p.bar.Set64(done) // a bar that cannot be drawn is no reason to stop
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

// noter gives a function that writes a text over the one before on a terminal, and
// elsewhere nothing.
func noter(out io.Writer) func(string) {
	if !isTerminal(out) {
		return func(string) {}
	}
	return func(text string) { show.Fprintf(out, "\r\x1b[K%s", text) }
}
