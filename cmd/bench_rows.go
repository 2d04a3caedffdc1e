package cmd

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/model"
)

// rowsResult is the cost of passes of a number of tokens: the median time, and
// the median of that time divided by the time of the pass of one token before
// it.
type rowsResult struct {
	Tokens  int     `json:"tokens"`
	Seconds float64 `json:"seconds"`
	Cost    float64 `json:"cost"`
}

// rowsFeed is how many tokens the passes of rowsRun may add to the context.
func (f *benchFlags) rowsFeed() int {
	n := 0
	for _, k := range f.rows {
		n += 1 + k
	}
	return n * (f.runs + 1)
}

// rowsRun times passes of the numbers of tokens asked for, each behind a pass of
// one token, since machines change their speed. Every token gets its logits.
func (b *bench) rowsRun(depth int) (list []rowsResult, err error) {
	if len(b.rows) == 0 {
		return nil, nil
	}
	begin, err := b.s.Snapshot()
	if err != nil {
		return nil, err
	}
	times, costs := make([][]float64, len(b.rows)), make([][]float64, len(b.rows))
	at := depth
	feed := func(n int) (seconds float64, err error) {
		start := time.Now()
		_, err = b.s.Feed(b.filler[at:at+n], model.WantAll)
		at += n
		return time.Since(start).Seconds(), err
	}
	for run := range b.runs + 1 {
		b.note(fmt.Sprintf("%s: passes of several tokens, run %d of %d", b.b.Model, run, b.runs))
		for i, n := range b.rows {
			one, err := feed(1)
			if err != nil {
				return nil, err
			}
			several, err := feed(n)
			if err != nil {
				return nil, err
			}
			if run > 0 { // the first warms up
				times[i], costs[i] = append(times[i], several), append(costs[i], several/one)
			}
		}
	}
	for i, n := range b.rows {
		r := rowsResult{Tokens: n}
		r.Seconds, _ = median(times[i])
		r.Cost, _ = median(costs[i])
		list = append(list, r)
	}
	return list, b.s.Restore(begin)
}

// printRows prints the cost of passes at each depth.
func (b *benchmark) printRows(out io.Writer) error {
	for _, r := range b.Results {
		if len(r.Rows) == 0 {
			continue
		}
		show.Fprintf(out, "depth %d, passes of several tokens:\n", r.Depth)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		tokens, times, costs := "tokens\t", "ms\t", "cost\t"
		for _, p := range r.Rows {
			tokens += fmt.Sprintf("%d\t", p.Tokens)
			times += fmt.Sprintf("%.1f\t", 1e3*p.Seconds)
			costs += fmt.Sprintf("%.2f\t", p.Cost)
		}
		show.Fprintf(w, "%s\n%s\n%s\n", show.Own(tokens), show.Own(times), show.Own(costs))
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
