package speculate

import (
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
)

// Rows are rows of logits, one behind each token that was fed, from 0.
type Rows interface {
	// Best is row i as [Decoder.Ranking] asks for it, or nil where it was not
	// ranked.
	Best(i int) *backend.Best
	// Row is the whole row i, [vocabulary].
	Row(i int) ([]float32, error)
}

// rows feeds a session. It asks for the best of every row where the backend
// ranks them and the sampler's filters leave few, and for whole rows otherwise.
type rows struct {
	s       *model.Session
	sampler *sample.Sampler
	gauge   bool         // sure will be asked
	watch   *model.Watch // of prompts
	best    []backend.Best
	logits  []float32 // all rows, where they are not ranked
}

// Best implements [Rows].
func (r *rows) Best(i int) *backend.Best {
	if r.best == nil {
		return nil
	}
	return &r.best[i]
}

// Row implements [Rows].
func (r *rows) Row(i int) ([]float32, error) {
	if r.best != nil {
		return r.s.Row(i)
	}
	v := r.s.Vocab()
	return r.logits[i*v : (i+1)*v], nil
}

// feed is one feed of the session.
func (r *rows) feed(tokens []int32, want model.Want) (err error) {
	r.best, r.logits = nil, nil
	if ranking, ok := r.sampler.Ranking(); ok && len(tokens) <= backend.MaxVerify && r.s.Ranks() {
		if ranking.Temp == 0 && r.gauge {
			ranking.Temp = 1 // the best is the same, and how sure it is comes with it
		}
		r.best, err = r.s.FeedRanked(tokens, want, ranking)
		return err
	}
	if r.watch != nil && len(tokens) > backend.MaxVerify {
		r.logits, err = r.s.Read(tokens, want, r.watch)
	} else {
		r.logits, err = r.s.Feed(tokens, want)
	}
	return err
}

// choose is the sampler's choice from row i of a vocabulary, where text is the
// tokens up to the row's own. A row that holds NaN or an infinity is
// sample.ErrLogits, one whose mask allows nothing sample.ErrMask. Of a ranked row
// only the best are looked at.
func choose(s *sample.Sampler, r Rows, i, vocab int, text []int32) (int32, error) {
	if b := r.Best(i); b != nil {
		if !sample.Finite(b.Logits) || math.IsNaN(b.Sum) || math.IsInf(b.Sum, 0) {
			return 0, sample.LogitsError(len(text))
		}
		if id, ok := s.SampleRanked(b, len(b.Tokens) == vocab, text); ok {
			return id, nil
		}
	}
	row, err := r.Row(i)
	if err != nil {
		return 0, err
	}
	if !sample.Finite(row) {
		return 0, sample.LogitsError(len(text))
	}
	return s.Sample(row, text)
}
