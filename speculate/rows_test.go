package speculate_test

import (
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// ranking is a backend whose execs rank, by the definition, and count.
type ranking struct {
	backend.Backend
	ranked, whole int
}

type rankingExec struct {
	backend.Exec
	b    *ranking
	p    *backend.Program
	rows []float32
}

func (r *ranking) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := r.Backend.Compile(p)
	return &rankingExec{Exec: e, b: r, p: p}, err
}

func (e *rankingExec) RunRanked(p *backend.Params, r *backend.Ranking) (out []backend.Best, err error) {
	if e.rows, err = e.Run(p); err != nil {
		return nil, err
	}
	e.b.ranked++
	line := append(slices.Clone(r.Recent), p.Tokens...)
	for i := range p.Logits {
		row, _ := e.row(i)
		out = append(out, backend.Rank(row, line[:len(line)-p.Logits+i+1], r))
	}
	return out, nil
}

func (e *rankingExec) row(i int) ([]float32, error) { return e.rows[i*e.p.Vocab:][:e.p.Vocab], nil }

func (e *rankingExec) Row(i int) ([]float32, error) {
	e.b.whole++
	return e.row(i)
}

// A backend that ranks rows makes the text that one which does not makes, with
// and without a draft.
func TestRows(t *testing.T) {
	m, err := model.Open(fixture(t, "mamba2-half"))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []sample.Options{{}, {RepeatPenalty: 1.2}, {Temp: 0.8, TopK: 20, Seed: 3}, {Temp: 0.7, TopP: 0.9, RepeatPenalty: 1.1, Seed: 4}, {Temp: 1, Seed: 5}} {
		for _, k := range []int{0, 3} {
			text := func(b backend.Backend) []int32 {
				start := func() *model.Session {
					s, err := m.NewSession(b, model.Options{Context: 512})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { s.Close() })
					return s
				}
				so := speculate.Options{K: k}
				if k > 0 {
					so.Draft = speculate.NewModel(start(), o)
				}
				ids, _ := generate(t, start(), o, so, []int32{5, 9, 200, 7, 31}, 40)
				return ids
			}
			b := &ranking{Backend: cpu.New(1)}
			if got, want := text(b), text(cpu.New(1)); !slices.Equal(got, want) {
				t.Errorf("%+v, K %d: %v, want %v", o, k, got, want)
			}
			if bounds := o.Bounds(backend.Ranked); bounds != (b.ranked > 0) || !bounds && b.whole > 0 {
				t.Errorf("%+v: %d passes were ranked, %d rows read whole", o, b.ranked, b.whole)
			}
		}
	}
}
