package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
)

// Runtime is a model on a backend: its weights and its compiled programs, which any
// number of sessions share. One pass may hold tokens of several of them. A Runtime
// and its sessions are not for two goroutines.
type Runtime struct {
	m       *Model
	b       backend.Backend
	o       Options
	weights backend.Buffer
	states  map[string]*backend.State
	names   []string // of states, sorted
	step    backend.Exec
	wide    backend.Exec // step for many rows
	prompt  backend.Exec
	all     backend.Exec
	ranks   [1]backend.Ranking
	params  backend.Params // of a pass over several sessions
	several []backend.Ranking
}

// NewRuntime maps the weights and compiles the program of short passes.
func (m *Model) NewRuntime(b backend.Backend, o Options) (r *Runtime, err error) {
	if fault := format.Guard(func() { r, err = m.newRuntime(b, o) }); fault != nil {
		return nil, fault
	}
	return r, err
}

func (m *Model) newRuntime(b backend.Backend, o Options) (*Runtime, error) {
	if o.Context <= 0 {
		o.Context = min(m.Config.Context, DefaultContext)
	}
	if o.KV < KVAuto || o.KV > KVQ8_0 {
		return nil, fmt.Errorf("keys and values are kept as f16 or q8_0, not as %v", o.KV)
	}
	r := &Runtime{m: m, b: b, o: o, states: map[string]*backend.State{}}
	var err error
	if r.weights, err = b.Map(m.file.Mapping()); err != nil {
		return nil, err
	}
	p := m.record(backend.NewRecorder(backend.MaxVerify, backend.MaxVerify), r.weights, r.states, o)
	r.names = slices.Sorted(maps.Keys(r.states))
	if r.step, err = b.Compile(p); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// NewSession allocates caches and state for one timeline more.
func (r *Runtime) NewSession() (*Session, error) {
	var states []*backend.State
	for _, name := range r.names {
		states = append(states, r.states[name])
	}
	seq, err := r.b.NewSequence(states)
	if err != nil {
		return nil, fmt.Errorf("memory for a context of %d tokens: %w", r.o.Context, err)
	}
	return &Session{rt: r, seq: seq}, nil
}

// Context is how many tokens a session can hold.
func (r *Runtime) Context() int { return r.o.Context }

// Vocab is the width of a row of logits.
func (r *Runtime) Vocab() int { return r.m.Config.Vocab }

// Close frees programs and weights, after the sessions.
func (r *Runtime) Close() error {
	var errs []error
	for _, e := range []backend.Exec{r.step, r.wide, r.prompt, r.all} {
		if e != nil {
			errs = append(errs, e.Close())
		}
	}
	return errors.Join(append(errs, r.weights.Free())...)
}

// program gives the program of a feed, compiled at its first use, and the most
// tokens of its passes.
func (r *Runtime) program(want Want, short bool) (e backend.Exec, most int, err error) {
	switch {
	case short:
		return r.step, backend.MaxVerify, nil
	case want == WantAll:
		e, err = r.compiled(&r.all, backend.NewRecorder(allTokens, allTokens))
		return e, allTokens, err
	}
	most = r.prompts()
	e, err = r.compiled(&r.prompt, backend.NewRecorder(most, 1))
	return e, most, err
}

// compiled compiles a program at its first use.
func (r *Runtime) compiled(e *backend.Exec, empty *backend.Recorder) (backend.Exec, error) {
	if *e != nil {
		return *e, nil
	}
	made, err := r.b.Compile(r.m.record(empty, r.weights, r.states, r.o))
	if err != nil {
		return nil, err
	}
	*e = made
	return made, nil
}
