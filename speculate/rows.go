package speculate

import (
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// rows feeds a session and tells which tokens may follow. It works from the
// best of every row where the backend ranks them and the sampler's filters
// leave few, and from whole rows otherwise.
type rows struct {
	s       *model.Session
	sampler *sample.Sampler
	gauge   bool         // sure will be asked
	watch   *model.Watch // of prompts
	best    []backend.Best
	logits  []float32 // all rows, where they are not ranked
}

// feed is one feed of the session.
func (r *rows) feed(tokens []int32, want model.Want) (err error) {
	r.best, r.logits = nil, nil
	o := r.sampler.Options()
	if len(tokens) <= backend.MaxVerify && r.s.Ranks() && o.Bounds(backend.MaxCandidates) {
		temp := o.Temp
		if temp == 0 && r.gauge {
			temp = 1 // the best is the same, and how sure it is comes with it
		}
		r.best, err = r.s.FeedRanked(tokens, want, backend.Ranking{Penalty: o.RepeatPenalty, Temp: temp})
		return err
	}
	if r.watch != nil && len(tokens) > backend.MaxVerify {
		r.logits, err = r.s.FeedWatched(tokens, want, r.watch)
	} else {
		r.logits, err = r.s.Feed(tokens, want)
	}
	return err
}

// sample is the sampler's choice for row i, where text is the tokens up to the
// row's own. A row that holds NaN or an infinity is sample.ErrLogits. Of a
// ranked row only the best are looked at.
func (r *rows) sample(i int, text []int32) (int32, error) {
	v := r.s.Vocab()
	if r.best == nil {
		row := r.logits[i*v : (i+1)*v]
		if !sample.Finite(row) {
			return 0, sample.LogitsError(len(text))
		}
		return r.sampler.Sample(row, text), nil
	}
	b := &r.best[i]
	if !sample.Finite(b.Logits) || math.IsNaN(b.Sum) || math.IsInf(b.Sum, 0) {
		return 0, sample.LogitsError(len(text))
	}
	if id, ok := r.sampler.SampleRanked(b, len(b.Tokens) == v, text); ok {
		return id, nil
	}
	row, err := r.s.Row(i)
	if err != nil {
		return 0, err
	}
	if !sample.Finite(row) {
		return 0, sample.LogitsError(len(text))
	}
	return r.sampler.Sample(row, text), nil
}
