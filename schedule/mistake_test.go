package schedule

import (
	"errors"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/mil-run/mil/internal/mistake"
)

// faulty panics in some passes.
type faulty struct {
	Engine
	passes atomic.Int32
}

func (f *faulty) Pass(list []*Rows) error {
	if f.passes.Add(1) == 30 {
		panic("a pass")
	}
	return f.Engine.Pass(list)
}

// A mistake in one request's step ends that request. One in a pass ends those that share
// it. All others go on, and so does the scheduler, with all memory back.
func TestMistake(t *testing.T) {
	e := newSim(4096)
	f := &faulty{Engine: e}
	told := atomic.Int32{}
	s := New(f, Options{Clock: e.now, Prefixes: 1 << 20, Memory: 1 << 20, Dir: t.TempDir(), Warn: func(error) { told.Add(1) }})
	r := Request{Tokens: words(1, 200), MaxTokens: 12, Reuse: ReuseRead}
	want := byItself(t, r)
	ask := func(r Request) *Handle {
		h, err := s.Submit(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	wrong := r
	wrong.Stop = func(int32) bool { var none []int; return none[1] == 2 }
	a, b, c := ask(r), ask(wrong), ask(r)
	var m *mistake.Error
	if r := b.Result(); !errors.As(r.Err, &m) || r.Why != Failed {
		t.Errorf("%s, %v", r.Why, r.Err)
	}
	for _, h := range []*Handle{a, c} {
		if r := h.Result(); r.Err != nil || !slices.Equal(all(h), want) {
			t.Errorf("another's mistake reached a request: %v", h.Result().Err)
		}
	}
	for range 5 { // one of them meets the pass
		if r := ask(r).Result(); r.Err != nil && !errors.As(r.Err, &m) {
			t.Error(r.Err)
		}
	}
	h := ask(r)
	h.Result()
	if got := all(h); !slices.Equal(got, want) || told.Load() != 2 || f.passes.Load() < 30 {
		t.Errorf("afterwards %v, want %v; %d mistakes were told of, in %d passes", got, want, told.Load(), f.passes.Load())
	}
	if l, err := s.Load(); err != nil || l.Memory != 0 || l.Decoding+l.Reading+l.Waiting != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	if err := s.do(t.Context(), func(*core) { panic("between steps") }); !errors.As(err, &m) {
		t.Errorf("%v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
