package speculate

import (
	"cmp"
	"math"
	"slices"

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

// after is the distribution of row i, where recent is the tokens up to the
// row's own. It is valid until the next call. A row that holds NaN or an
// infinity is sample.ErrLogits. Of a ranked row only the best are looked at.
func (r *rows) after(i int, recent []int32) ([]sample.Candidate, error) {
	v := r.s.Vocab()
	if r.best == nil {
		row := r.logits[i*v : (i+1)*v]
		if !sample.Finite(row) {
			return nil, sample.LogitsError(len(recent))
		}
		return r.sampler.Candidates(row, recent), nil
	}
	b := &r.best[i]
	if !sample.Finite(b.Logits) || math.IsNaN(b.Sum) || math.IsInf(b.Sum, 0) {
		return nil, sample.LogitsError(len(recent))
	}
	if c, ok := r.sampler.Ranked(b.Tokens, b.Logits, b.Sum, len(b.Tokens) == v); ok {
		return c, nil
	}
	row, err := r.s.Row(i)
	if err != nil {
		return nil, err
	}
	if !sample.Finite(row) {
		return nil, sample.LogitsError(len(recent))
	}
	return r.sampler.Candidates(row, recent), nil
}

// sure is the probability of the best token of the only row, whose distribution
// is c. For a greedy choice it is the probability at temperature 1.
func (r *rows) sure(c []sample.Candidate) float64 {
	if r.sampler.Options().Temp > 0 {
		most := slices.MaxFunc(c, func(a, b sample.Candidate) int { return cmp.Compare(a.P, b.P) })
		return float64(most.P)
	}
	if r.best != nil {
		return 1 / r.best[0].Sum
	}
	peak := float64(r.logits[c[0].ID])
	sum := 0.0
	for _, x := range r.logits {
		if d := float64(x) - peak; d > -16 { // less is nothing
			sum += math.Exp(d)
		}
	}
	return 1 / sum
}
