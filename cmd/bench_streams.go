package cmd

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/session"
)

// streams are sessions that generate in the same passes.
type streams struct {
	*bench
	rt    *llm.Runtime
	list  []*model.Session
	begin []*model.Snapshot
	feeds []*model.Feed
}

// together measures every number of streams at every depth.
func (b *bench) together() error {
	most := slices.Max(b.streams)
	s := &streams{bench: b}
	rt, err := b.on().Runtime(b.m, b.of(b.context), most+min(b.beside, 1)) // the prompt has a session of its own
	if err != nil {
		return flagged(err)
	}
	defer rt.Close()
	s.rt = rt
	for range most {
		one, err := rt.NewSession()
		if err != nil {
			return err
		}
		defer one.Close()
		s.list = append(s.list, one)
	}
	for _, depth := range b.depths {
		if err := s.depth(depth); err != nil {
			return err
		}
	}
	return nil
}

// depth measures at one depth. In each run the numbers of streams take turns, so
// that they can be compared.
func (s *streams) depth(depth int) error {
	s.begin = s.begin[:0]
	for i, one := range s.list {
		s.note(fmt.Sprintf("%s: stream %d of %d reads %d tokens", s.b.Model, i+1, len(s.list), depth))
		if n := len(one.Tokens()); depth > n {
			// No two streams hold the same text.
			text := append(slices.Clone(s.filler[i%len(s.filler):]), s.filler...)
			if _, err := one.Read(text[n:depth], model.WantNone, nil); err != nil {
				return err
			}
		}
		at, err := one.Snapshot()
		if err != nil {
			return err
		}
		s.begin = append(s.begin, at)
	}
	results := make([]benchResult, len(s.streams))
	speeds, gaps := make([][]float64, len(s.streams)), make([][]float64, len(s.streams))
	for run := range s.runs + 1 {
		for i, n := range s.streams {
			s.note(fmt.Sprintf("%s: depth %d, %d streams, run %d of %d", s.b.Model, depth, n, run, s.runs))
			took, err := s.run(n)
			if err != nil {
				return err
			}
			if run == 0 { // it warms up
				continue
			}
			gaps[i] = append(gaps[i], took...)
			total := 0.0
			for _, t := range took {
				total += t
			}
			speeds[i] = append(speeds[i], float64(n*s.gen)/total)
		}
	}
	kv, state := s.m.Memory(s.of(s.context))
	held := int64((depth+s.gen+session.Page-1)/session.Page*session.Page)*kv/int64(s.context) + state
	for i, n := range s.streams {
		r := &results[i]
		*r = benchResult{Depth: depth, GenTokens: s.gen, Streams: n, StreamBytes: int64(n) * min(held, kv+state)}
		r.GenTokS, r.GenSpread = median(speeds[i])
		slices.Sort(gaps[i])
		r.GapP50, r.GapP99 = quantile(gaps[i], 0.5), quantile(gaps[i], 0.99)
	}
	s.b.Results = append(s.b.Results, results...)
	if s.beside > 0 {
		return s.arrivals(depth, s.b.Results[len(s.b.Results)-len(results):])
	}
	return nil
}

// run generates with the first n streams. It returns the seconds of each pass, and
// goes back.
func (s *streams) run(n int) (took []float64, err error) {
	ranks := s.rt.Ranks()
	s.feeds = s.feeds[:0]
	for i, one := range s.list[:n] {
		f := &model.Feed{S: one, Tokens: []int32{s.filler[i%len(s.filler)]}, Want: model.WantLast}
		if ranks {
			f.Rank = &backend.Ranking{}
		}
		s.feeds = append(s.feeds, f)
	}
	for range s.gen {
		begin := time.Now()
		if err := s.rt.Feed(s.feeds); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin).Seconds())
		for _, f := range s.feeds {
			if ranks {
				f.Tokens[0] = f.Best[0].Tokens[0]
			} else {
				f.Tokens[0] = best(f.Logits)
			}
		}
	}
	for i, one := range s.list[:n] {
		if err := one.Restore(s.begin[i]); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// quantile of sorted values, 0 where there are none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// printStreams is the table of several streams.
func (b *benchmark) printStreams(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "depth\tstreams\ttok/s, all\tspread\tof one\ttok/s each\tgap p50\tp99\tmemory\t")
	for _, r := range b.Results {
		of := "-"
		for _, one := range b.Results {
			if one.Depth == r.Depth && one.Streams == 1 && one.GenTokS > 0 {
				of = fmt.Sprintf("%.2f", r.GenTokS/one.GenTokS)
			}
		}
		show.Fprintf(w, "%d\t%d\t%s\t%.0f%%\t%s\t%s\t%.1f ms\t%.1f ms\t%s\t\n", r.Depth, r.Streams, units.Rate(r.GenTokS), 100*r.GenSpread, show.Own(of),
			units.Rate(r.GenTokS/float64(r.Streams)), 1e3*r.GapP50, 1e3*r.GapP99, units.Bytes(r.StreamBytes))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := b.printBeside(out); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out)
	return err
}
