package model_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

func someTokens(n int) []int32 {
	r := rand.New(rand.NewPCG(5, 6))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(500))
	}
	return ids
}

// watched is a backend that sees every pass.
type watched struct {
	backend.Backend
	pass func(p *backend.Params)
}

type watchedExec struct {
	backend.Exec
	of *watched
}

func (w *watched) Compile(p *backend.Program) (backend.Exec, error) {
	e, err := w.Backend.Compile(p)
	return &watchedExec{e, w}, err
}

func (e *watchedExec) Run(p *backend.Params) ([]float32, error) {
	e.of.pass(p)
	return e.Exec.Run(p)
}

// Where the context is full the oldest positions behind the pinned ones go: the
// rest moves up byte for byte, tokens keep their places in the text, the
// recurrent state does not change, and nothing is fed again.
func TestSlide(t *testing.T) {
	for _, name := range []string{"mamba1-half", "mamba2-half", "llama"} {
		f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
		m, err := model.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		const context, pinned = 256, 40 // 64 are kept: units are whole
		fed := 0
		var s *model.Session
		w := &watched{Backend: cpu.New(2)}
		w.pass = func(p *backend.Params) {
			if p.Pos+p.Shift != len(s.Tokens()) || p.Pos+len(p.Tokens) > context {
				t.Fatalf("%s: a pass of %d tokens at %d, shifted by %d, after %d", name, len(p.Tokens), p.Pos, p.Shift, len(s.Tokens()))
			}
			fed += len(p.Tokens)
		}
		s, err = m.NewSession(w, model.Options{Context: context, Slide: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Pin(pinned)
		ids := someTokens(1100)
		if _, err := s.Feed(ids[:250], model.WantNone); err != nil {
			t.Fatal(err)
		}
		caches := len(s.Parts())
		for i, p := range s.Parts() {
			if !p.Cache {
				caches = i
				break
			}
		}
		read := func(from, to int) (rows [][]byte) {
			for i := range caches {
				b, err := s.ReadCache(i, from, to, nil)
				if err != nil {
					t.Fatal(err)
				}
				rows = append(rows, b)
			}
			return rows
		}
		kept, recent := read(0, 64), read(160, 224)
		before, _ := s.Snapshot()
		if _, err := s.Feed(ids[250:260], model.WantNone); err != nil { // 10 do not fit
			t.Fatal(err)
		}
		if s.Dropped() != 96 || fed != 260 || len(s.Tokens()) != 260 {
			t.Fatalf("%s: dropped %d, fed %d", name, s.Dropped(), fed)
		}
		for i, rows := range [][2][][]byte{{kept, read(0, 64)}, {recent, read(64, 128)}} {
			for c := range rows[0] {
				if !slices.Equal(rows[0][c], rows[1][c]) {
					t.Errorf("%s: cache %d, rows %d are not where they belong", name, c, i)
				}
			}
		}
		if err := s.Restore(before); err != nil { // what was dropped stays so
			t.Errorf("%s: back before sliding: %v", name, err)
		}
		if _, err := s.Feed(ids[250:], model.WantLast); err != nil { // much longer than the context
			t.Fatal(err)
		}
		if len(s.Tokens()) != 1100 || fed != 260+850 {
			t.Errorf("%s: %d tokens after feeding %d", name, len(s.Tokens()), fed)
		}
		if err := s.Restore(before); !errors.Is(err, model.ErrSnapshot) {
			t.Errorf("%s: back to where nothing is left: %v", name, err)
		}
	}
}

// Without attention a full context means nothing: to the bit what a long one
// gives.
func TestSlideWithoutAttention(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-noattn"), "q8_0")
	s, long := session(t, f, model.Options{Context: 64, Slide: true}), session(t, f, model.Options{Context: 1024})
	for i, ids := 0, someTokens(400); i < len(ids); i += 16 {
		got, want := logits(t, s, ids[i:i+16], false), logits(t, long, ids[i:i+16], false)
		if !slices.Equal(got, want) {
			t.Fatalf("other logits at %d", i)
		}
	}
}

// A context that its pinned tokens fill cannot slide, and says so.
func TestSlideNoRoom(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "llama"), "q8_0")
	s := session(t, f, model.Options{Context: 64, Slide: true})
	s.Pin(60)
	if _, err := s.Feed(someTokens(100), model.WantNone); !errors.Is(err, model.ErrContext) {
		t.Error(err)
	}
}
