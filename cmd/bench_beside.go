package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/schedule"
)

// besideResult is how streams go on while a prompt is read beside them, as the
// scheduler of mil serve decides. A gap is the seconds between two tokens of a stream.
type besideResult struct {
	PromptTokens int     `json:"prompt_tokens"`
	PromptTokS   float64 `json:"prompt_tok_s"` // from its arrival to its first token
	BeforeP50    float64 `json:"before_p50_s"` // gaps before it arrived
	GapP50       float64 `json:"gap_p50_s"`    // gaps while it was read
	GapP99       float64 `json:"gap_p99_s"`
	GapMax       float64 `json:"gap_max_s"`
	Pieces       int     `json:"pieces"`
	PieceP50     float64 `json:"piece_p50_s"`
	PieceMax     float64 `json:"piece_max_s"`
}

// ahead is how many tokens each stream makes before the prompt arrives.
const ahead = 16

// besideContext is the positions that the prompt takes, or a stream beside it: between
// two pieces, of 64 tokens or more, a stream makes one token.
func (f *benchFlags) besideContext() int {
	if f.beside == 0 {
		return 0
	}
	return f.beside + 2*ahead
}

// arrivals lets a prompt arrive beside each number of streams.
func (s *streams) arrivals(depth int, results []benchResult) error {
	e, err := schedule.NewEngine(s.rt.Runtime, nil)
	if err != nil {
		return err
	}
	for i := range results {
		s.note(fmt.Sprintf("%s: depth %d, a prompt of %d tokens beside %d streams", s.b.Model, depth, s.beside, results[i].Streams))
		a := &arrival{streams: s, depth: depth}
		on := schedule.New(e, schedule.Options{Watch: a.watch})
		results[i].Beside, err = a.run(on, results[i].Streams)
		if err = errors.Join(err, on.Close()); err != nil {
			return err
		}
	}
	return nil
}

// arrival is one such measurement.
type arrival struct {
	*streams
	depth int
	steps []timed // of the scheduler, whose goroutine alone uses them until it is closed
}

// timed is a step and its end.
type timed struct {
	schedule.Step
	at time.Time
}

func (a *arrival) watch(s schedule.Step) { a.steps = append(a.steps, timed{s, time.Now()}) }

// text is a prompt of n tokens. No two begin alike.
func (a *arrival) text(i, n int) []int32 {
	from := i % len(a.filler)
	return append(slices.Clone(a.filler[from:]), a.filler...)[:n]
}

// run begins n streams, then the prompt, and ends all of them with it.
func (a *arrival) run(on *schedule.Scheduler, n int) (*besideResult, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	streams := make([]*stream, n)
	for i := range streams {
		h, err := on.Submit(ctx, schedule.Request{Tokens: a.text(i, a.depth+1), Reuse: schedule.ReuseNone})
		if err != nil {
			return nil, err
		}
		streams[i] = &stream{h: h, warm: make(chan struct{}), ended: make(chan struct{})}
		go streams[i].follow()
	}
	for _, one := range streams {
		select {
		case <-one.warm:
		case <-one.ended:
			return nil, errors.Join(one.h.Result().Err, errors.New("a stream ended before the prompt came"))
		}
	}
	begin := time.Now()
	h, err := on.Submit(ctx, schedule.Request{Tokens: a.text(n, a.beside), MaxTokens: 1, Reuse: schedule.ReuseNone})
	if err != nil {
		return nil, err
	}
	r := h.Result()
	if r.Err != nil {
		return nil, r.Err
	}
	end := begin.Add(r.First)
	cancel()
	for _, one := range streams {
		<-one.ended
	}
	if err := on.Close(); err != nil {
		return nil, err
	}
	return a.result(streams, begin, end), nil
}

// stream is one of the streams and the times of its tokens.
type stream struct {
	h           *schedule.Handle
	warm, ended chan struct{} // closed after some tokens, and behind the last
	at          []time.Time
}

func (s *stream) follow() {
	defer close(s.ended)
	for range s.h.Tokens(context.Background()) {
		if s.at = append(s.at, time.Now()); len(s.at) == ahead {
			close(s.warm)
		}
	}
}

// result sums up what lies before the prompt came and what lies until its end.
func (a *arrival) result(streams []*stream, begin, end time.Time) *besideResult {
	var before, gaps, pieces []float64
	for _, s := range streams {
		for i, at := range s.at[1:] {
			gap := at.Sub(s.at[i]).Seconds()
			switch {
			case at.Before(begin):
				before = append(before, gap)
			case s.at[i].Before(end):
				gaps = append(gaps, gap)
			}
		}
	}
	for _, s := range a.steps {
		if s.Tokens > 0 && s.at.After(begin) {
			pieces = append(pieces, s.Took.Seconds())
		}
	}
	r := &besideResult{PromptTokens: a.beside, PromptTokS: float64(a.beside) / end.Sub(begin).Seconds(), Pieces: len(pieces)}
	for _, list := range [][]float64{before, gaps, pieces} {
		slices.Sort(list)
	}
	r.BeforeP50, r.GapP50, r.GapP99, r.GapMax = quantile(before, 0.5), quantile(gaps, 0.5), quantile(gaps, 0.99), quantile(gaps, 1)
	r.PieceP50, r.PieceMax = quantile(pieces, 0.5), quantile(pieces, 1)
	return r
}

// printBeside is the table of a prompt beside streams.
func (b *benchmark) printBeside(out io.Writer) error {
	if b.Results[0].Beside == nil {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ndepth\tstreams\tprompt\ttok/s\tpieces\tp50\tlongest\tgap before, p50\tbeside it, p50\tp99\tlongest\t")
	for _, r := range b.Results {
		x := r.Beside
		show.Fprintf(w, "%d\t%d\t%d\t%s\t%d\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t%.1f ms\t\n", r.Depth, r.Streams, x.PromptTokens, units.Rate(x.PromptTokS),
			x.Pieces, 1e3*x.PieceP50, 1e3*x.PieceMax, 1e3*x.BeforeP50, 1e3*x.GapP50, 1e3*x.GapP99, 1e3*x.GapMax)
	}
	return w.Flush()
}
