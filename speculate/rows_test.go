package speculate_test

import (
	"errors"
	"math"
	"slices"
	"strings"
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

func (e *rankingExec) RunRanked(p *backend.Params, ranks []backend.Ranking) (out []backend.Best, err error) {
	if e.rows, err = e.Run(p); err != nil {
		return nil, err
	}
	e.b.ranked++
	i := 0
	for first, g := range p.Each() {
		r := &ranks[i]
		line := append(slices.Clone(r.Recent), p.Tokens[first:first+g.N]...)
		for n := range g.Logits {
			row, _ := e.row(len(out))
			out = append(out, backend.Rank(row, line[:len(line)-g.Logits+n+1], r))
		}
		i++
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
			if bounds := o.Bounds(backend.MaxCandidates); bounds != (b.ranked > 0) || !bounds && b.whole > 0 {
				t.Errorf("%+v: %d passes were ranked, %d rows read whole", o, b.ranked, b.whole)
			}
		}
	}
}

// spoiled is a backend whose rows for one position hold a value that is no number.
type spoiled struct {
	backend.Backend
	at    int // the position of the token that the row belongs to
	all   bool
	value float32
}

type spoiledExec struct {
	backend.Exec
	b *spoiled
	p *backend.Program
}

func (s *spoiled) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := s.Backend.Compile(p)
	return &spoiledExec{e, s, p}, err
}

func (e *spoiledExec) Run(p *backend.Params) ([]float32, error) {
	logits, err := e.Exec.Run(p)
	g := &p.Segments[0]
	for i := range g.Logits {
		if g.Pos+g.N-g.Logits+i != e.b.at {
			continue
		}
		row := logits[i*e.p.Vocab:][:e.p.Vocab]
		row[len(row)/2] = e.b.value
		for j := range row {
			if e.b.all {
				row[j] = e.b.value
			}
		}
	}
	return logits, err
}

// A row that is no number ends the text before its token, with the same tokens
// before it with and without a draft, drawn or not, ranked or not. Rows that were
// not asked for do not matter.
func TestSpoiledRows(t *testing.T) {
	m, err := model.Open(fixture(t, "mamba2-half"))
	if err != nil {
		t.Fatal(err)
	}
	prompt := []int32{5, 9, 200, 7, 31}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	start := func(b backend.Backend) *model.Session {
		s, err := m.NewSession(b, model.Options{Context: 128})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	for _, o := range []sample.Options{{}, {Temp: 0.8, TopK: 20, Seed: 3}} {
		want, _ := generate(t, start(cpu.New(1)), o, speculate.Options{}, prompt, 20)
		for _, at := range []int{4, 5, 11} { // 4 is the prompt's last
			for _, bad := range []spoiled{{value: nan}, {value: inf}, {value: -inf}, {value: nan, all: true}} {
				for _, ranked := range []bool{false, true} {
					if ranked && !(bad.all || bad.value > 0) {
						continue // ranking leaves out a single one of these, and nobody draws it
					}
					for _, k := range []int{0, 4} {
						b := bad
						b.Backend, b.at = cpu.New(1), at
						over := backend.Backend(&b)
						if ranked {
							over = &ranking{Backend: &b}
						}
						s := start(over)
						so := speculate.Options{K: k}
						if k > 0 {
							so.Draft = speculate.NewModel(start(cpu.New(1)), sample.Options{})
						}
						got, err := until(s, o, so, prompt)
						if !errors.Is(err, sample.ErrLogits) || !strings.HasSuffix(err.Error(), " of the text") {
							t.Fatalf("%+v at %d, ranked %v, K %d: %v", o, at, ranked, k, err)
						}
						if !slices.Equal(got, want[:at-4]) {
							t.Errorf("%+v at %d, ranked %v, K %d: %v, want %v", o, at, ranked, k, got, want[:at-4])
						}
					}
				}
			}
		}
	}
	// A draft that is spoiled proposes nothing and changes nothing.
	want, _ := generate(t, start(cpu.New(1)), sample.Options{}, speculate.Options{}, prompt, 20)
	draft := speculate.NewModel(start(&spoiled{Backend: cpu.New(1), at: 8, value: nan}), sample.Options{})
	if got, _ := generate(t, start(cpu.New(1)), sample.Options{}, speculate.Options{K: 4, Draft: draft}, prompt, 20); !slices.Equal(got, want) {
		t.Errorf("a spoiled draft makes %v, want %v", got, want)
	}
}

// until makes tokens until something fails.
func until(s *model.Session, o sample.Options, so speculate.Options, prompt []int32) (out []int32, err error) {
	logits, err := s.Feed(prompt, model.WantLast)
	if err != nil {
		return nil, err
	}
	d := speculate.New(s, o, so)
	for d.Begin(logits); len(out) < 60; {
		next, err := d.Next()
		if err != nil {
			return out, err
		}
		out = append(out, next...)
	}
	return out, nil
}
