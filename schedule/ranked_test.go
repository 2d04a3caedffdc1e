package schedule

import (
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
)

// ranker is a backend that ranks rows, as GPUs do. It adds up a row so badly that
// top-p cuts elsewhere than it does by whole rows.
type ranker struct{ backend.Backend }

func (r ranker) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := r.Backend.Compile(p)
	return &rankerExec{Exec: e, vocab: p.Vocab}, err
}

type rankerExec struct {
	backend.Exec
	vocab  int
	logits []float32
	best   []backend.Best
}

func (e *rankerExec) RunRanked(p *backend.Params, ranks []backend.Ranking) (best []backend.Best, err error) {
	if e.logits, err = e.Run(p); err != nil {
		return nil, err
	}
	e.best = e.best[:0]
	i := 0
	for first, s := range p.Each() {
		r := ranks[i]
		i++
		for n := s.N - s.Logits; n < s.N; n++ {
			recent := append(append([]int32(nil), r.Recent...), p.Tokens[first:first+n+1]...)
			at := len(e.best)
			b := backend.Rank(e.logits[at*e.vocab:(at+1)*e.vocab], recent, &r)
			b.Sum *= 1.2
			e.best = append(e.best, b)
		}
	}
	return e.best, nil
}

func (e *rankerExec) Row(i int) ([]float32, error) {
	return e.logits[i*e.vocab : (i+1)*e.vocab], nil
}

// Whether a request's rows are ranked does not depend on its company.
func TestRankedCompany(t *testing.T) {
	w := realWorld(t, "mamba2-half", model.Options{Context: 384, Slide: true}, func(b backend.Backend) backend.Backend { return ranker{b} })
	l := w.engine().Limits()
	each := l.bytes(l.Context)
	w.company(t, 7, 60, 5, 3*each, 4*(each+l.page()))
}
