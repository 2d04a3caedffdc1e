package cmd

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/mil-run/mil/internal/eval"
	"github.com/mil-run/mil/internal/show"
)

// evalResult is the results of the measurements that were made. The others are
// nil.
type evalResult struct {
	Model   string
	Needle  *eval.Grid
	score   *eval.Score
	answers eval.Answers
}

// print writes tables.
func (r *evalResult) print(out io.Writer) error {
	var b strings.Builder
	if s := r.score; s != nil {
		show.Fprintf(&b, "tokens          %d\n", s.Tokens)
		show.Fprintf(&b, "perplexity      %s\n", span(s.Perplexity, "%.4f", 1))
		if d := s.Divergence; d != nil {
			show.Fprintf(&b, "  reference     %s\n", span(d.Perplexity, "%.4f", 1))
			show.Fprintf(&b, "KL mean         %s\n", span(d.Mean, "%.6f", 1))
			show.Fprintf(&b, "KL p99          %s\n", span(d.P99, "%.6f", 1))
			show.Fprintf(&b, "same top token  %s\n", span(d.Top1, "%.2f%%", 100))
		}
	}
	if r.answers != nil {
		gap(&b)
		show.Fprintf(&b, "%-14s  %7s  %5s\n", "kind", "correct", "asked")
		for _, c := range r.answers {
			show.Fprintf(&b, "%-14s  %7d  %5d\n", c.Kind, c.Correct, c.Asked)
		}
		t := r.answers.Total()
		show.Fprintf(&b, "%-14s  %7d  %5d   %s\n", "all", t.Correct, t.Asked, span(t.Rate(), "%.1f%%", 100))
	}
	if g := r.Needle; g != nil {
		gap(&b)
		show.Fprintf(&b, "%8s", "tokens")
		for _, d := range g.Depths {
			show.Fprintf(&b, "  %5.0f%%", 100*d)
		}
		for i, n := range g.Lengths {
			show.Fprintf(&b, "\n%8d", n)
			for _, found := range g.Found[i] {
				show.Fprintf(&b, "  %6s", fmt.Sprintf("%d/%d", found, g.Asked))
			}
		}
		t := g.Total()
		show.Fprintf(&b, "\n%8s  %s\n", "all", span(t.Rate(), "%.1f%%", 100))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// gap parts a table from the one before.
func gap(b *strings.Builder) {
	if b.Len() > 0 {
		b.WriteString("\n")
	}
}

// span is "value (low to high)", times scale.
func span(i eval.Interval, format string, scale float64) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", scale*i.Value, scale*i.Low, scale*i.High)
}

// writeJSON writes one object. Measurements that were not made are left out.
func (r *evalResult) writeJSON(out io.Writer) error {
	o := map[string]any{"model": r.Model}
	if s := r.score; s != nil {
		o["tokens"] = s.Tokens
		put(o, "perplexity", s.Perplexity)
		if d := s.Divergence; d != nil {
			put(o, "base_perplexity", d.Perplexity)
			put(o, "kl_mean", d.Mean)
			put(o, "kl_p99", d.P99)
			put(o, "top1_agreement", d.Top1)
		}
	}
	if r.answers != nil {
		t := r.answers.Total()
		o["qa"] = map[string]any{"correct": t.Correct, "asked": t.Asked, "accuracy": t.Rate().Value, "kinds": r.answers}
	}
	if r.Needle != nil {
		o["needle"] = r.Needle
	}
	return printJSON(out, o)
}

// put stores a value as key and its interval as key_ci. A number that JSON
// cannot hold is null.
func put(o map[string]any, key string, i eval.Interval) {
	o[key] = finite(i.Value)
	o[key+"_ci"] = []any{finite(i.Low), finite(i.High)}
}

// finite is v, or nil where JSON cannot hold it.
func finite(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return v
}
