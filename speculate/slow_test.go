package speculate_test

import (
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// preparing is a backend that takes long for the first pass of every length, as
// those do that compile then.
type preparing struct {
	backend.Backend
	now *time.Time
}

type preparingExec struct {
	backend.Exec
	done map[int]bool
	now  *time.Time
}

func (b preparing) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := b.Backend.Compile(p)
	return &preparingExec{e, map[int]bool{}, b.now}, err
}

func (e *preparingExec) Run(p *backend.Params) ([]float32, error) {
	if n := len(p.Tokens); !e.done[n] {
		e.done[n] = true
		*e.now = e.now.Add(100 * time.Millisecond)
	}
	*e.now = e.now.Add(time.Millisecond)
	return e.Exec.Run(p)
}

// knowing proposes what is known to follow, at once but for the first time.
type knowing struct {
	text []int32
	slow bool
	now  *time.Time
}

func (k *knowing) Sources() []string { return []string{"knowing"} }
func (k *knowing) Close() error      { return nil }
func (k *knowing) Draft(timeline []int32, most int, paces speculate.Paces) (speculate.Proposal, error) {
	if !k.slow {
		k.slow = true
		*k.now = k.now.Add(100 * time.Millisecond)
	}
	rest := k.text[min(len(timeline), len(k.text)):]
	p := speculate.Proposal{Source: "knowing"}
	pace := paces(p.Source)
	for pace != nil && len(p.Tokens) < min(most, len(rest)) && pace.Take(1) {
		p.Tokens = rest[:len(p.Tokens)+1]
	}
	return p, nil
}

// A draft that is right goes on although the first passes of every length, and
// the first draft, were slow. The clock is the test's own.
func TestSlowStart(t *testing.T) {
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	m, err := model.Open(fixture(t, "mamba2-half"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(preparing{cpu.New(1), &now}, model.Options{Context: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	prompt := []int32{5, 9, 200, 7, 31}
	plain, _ := generate(t, s, sample.Options{}, speculate.Options{}, prompt, 200)
	draft := &knowing{text: append(slices.Clone(prompt), plain...), now: &now}
	got, stats := generate(t, s, sample.Options{}, speculate.Options{Draft: draft, K: -1, Clock: clock}, prompt, 200)
	if !slices.Equal(got, plain) {
		t.Error("the draft changed the text")
	}
	if stats.Accepted < 100 {
		t.Errorf("only %d of 200 tokens came from a draft that is always right (%d proposed)", stats.Accepted, stats.Proposed)
	}
}
