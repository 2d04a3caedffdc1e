package model_test

import (
	"errors"
	"fmt"
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
	for _, name := range testutil.Checkpoints(t) {
		f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
		m, err := model.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Config.AttentionLayers()) == 0 {
			continue // nothing slides
		}
		const context, pinned = 256, 40 // 64 are kept: units are whole
		fed := 0
		var s *model.Session
		w := &watched{Backend: cpu.New(2)}
		w.pass = func(p *backend.Params) {
			g := &p.Segments[0]
			if g.Pos+g.Shift != len(s.Tokens()) || g.Pos+g.N > context {
				t.Fatalf("%s: a pass of %d tokens at %d, shifted by %d, after %d", name, g.N, g.Pos, g.Shift, len(s.Tokens()))
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
		caches := 0 // that slide
		for _, p := range s.Parts() {
			if p.Cache && p.Window == 0 {
				caches++
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
		if err := s.Restore(before); err != nil || s.Dropped() != 0 {
			t.Errorf("%s: back before sliding, %d dropped: %v", name, s.Dropped(), err)
		}
		if back := read(160, 224); !slices.EqualFunc(back, recent, slices.Equal) {
			t.Errorf("%s: back before sliding the caches hold something else", name)
		}
		if _, err := s.Feed(ids[250:], model.WantLast); err != nil { // much longer than the context
			t.Fatal(err)
		}
		if len(s.Tokens()) != 1100 || fed != 260+850 {
			t.Errorf("%s: %d tokens after feeding %d", name, len(s.Tokens()), fed)
		}
		if _, err := s.Feed(someTokens(2048), model.WantNone); err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(before); !errors.Is(err, model.ErrSnapshot) {
			t.Errorf("%s: back to where nothing is left: %v", name, err)
		}
	}
}

// droppedAfter is how many of n tokens, fed one by one, a context drops.
func droppedAfter(n, context, pinned int) (dropped int) {
	const unit = backend.CacheUnit
	floor := max(1, (pinned+unit-1)/unit) * unit
	for held := 0; n > 0; n-- {
		if held == context {
			drop := max(1, (context-floor)/2/unit) * unit
			dropped += drop
			held -= drop
		}
		held++
	}
	return dropped
}

// However tokens are fed, taken back, and gone back behind, logits and what was
// dropped are those of the timeline alone, fed token by token.
func TestSlideDependsOnTheTimeline(t *testing.T) {
	for i, c := range []struct {
		name            string
		context, pinned int
		window          int // of every second attention layer
	}{{"llama", 64, 0, 0}, {"mamba2-half", 96, 0, 0}, {"mamba1-half", 100, 40, 0}, {"llama", 128, 70, 0}, {"mamba2-half", 180, 100, 0}, {"mamba2-noattn", 96, 0, 0},
		{"llama", 64, 0, 20}, {"mamba2-half", 100, 40, 7}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", c.name), "q8_0")
			o := model.Options{Context: c.context, Slide: true, KV: []model.KVType{model.KVF16, model.KVQ8_0}[i%2]}
			s, plain := windowed(t, f, o, c.window, 2), windowed(t, f, o, c.window, 2)
			s.Pin(c.pinned)
			plain.Pin(c.pinned)
			// want is the row behind a timeline's last token.
			want := func(tokens []int32) (row []float32) {
				n := len(plain.Tokens())
				if n >= len(tokens) || !slices.Equal(plain.Tokens(), tokens[:n]) {
					if err := plain.Reset(); err != nil {
						t.Fatal(err)
					}
					n = 0
				}
				for ; n < len(tokens); n++ {
					row = logits(t, plain, tokens[n:n+1], false)
				}
				return row
			}
			r := rand.New(rand.NewPCG(uint64(i), 7))
			var marks []*model.Snapshot
			back := 0
			for range 180 {
				base := slices.Clone(s.Tokens())
				k := 1 + r.IntN(backend.MaxVerify)
				ids := make([]int32, k)
				for i := range ids {
					ids[i] = int32(r.IntN(500))
				}
				left := s.Left()
				rows, err := s.Feed(ids, model.WantAll)
				if err != nil {
					t.Fatal(err)
				}
				rows = slices.Clone(rows)
				keep := keepSome(t, s, r.IntN(k+1), k, left)
				timeline := append(base, ids[:keep]...)
				if !slices.Equal(s.Tokens(), timeline) {
					t.Fatal("another timeline")
				}
				for j := 1; j <= keep; j++ {
					if row := want(timeline[:len(base)+j]); !slices.Equal(row, rows[(j-1)*s.Vocab():j*s.Vocab()]) {
						t.Fatalf("token %d of a feed of %d, %d kept, after %d: other logits than token by token", j, k, keep, len(base))
					}
				}
				if got, want := s.Dropped(), droppedAfter(len(timeline), c.context, c.pinned); got != want {
					t.Fatalf("%d dropped after %d tokens, %d of %d kept, want %d", got, len(timeline), keep, k, want)
				}
				switch r.IntN(9) {
				case 0, 1, 2, 3, 4:
					m, err := s.Snapshot()
					if err != nil {
						t.Fatal(err)
					}
					marks = append(marks, m)
				case 5:
					n := min(1+r.IntN(6), len(marks))
					back += goBack(t, s, marks[len(marks)-n:])
					marks = marks[:len(marks)-n]
				}
			}
			t.Log(back, "slides taken back,", s.Dropped(), "dropped")
			if back == 0 || s.Dropped() == 0 {
				t.Error("no slide was taken back")
			}
		})
	}
}

// goBack goes back to each of the marks, the last one first, and counts those that
// took a slide back. Marks that the session no longer keeps are passed by.
func goBack(t *testing.T, s *model.Session, marks []*model.Snapshot) (back int) {
	for _, m := range slices.Backward(marks) {
		before := s.Dropped()
		switch err := s.Restore(m); {
		case errors.Is(err, model.ErrSnapshot) && before > m.Dropped():
		case err != nil || s.Dropped() != m.Dropped() || len(s.Tokens()) != m.Len():
			t.Fatal("back:", err)
		case before > m.Dropped():
			back++
		}
	}
	return back
}

// keepSome keeps some of a feed's k tokens, of which left lie before a slide: those
// stay.
func keepSome(t *testing.T, s *model.Session, keep, k, left int) int {
	err := s.Commit(keep)
	if over := k > left && keep < left; over != (err != nil) {
		t.Fatalf("%d of %d tokens kept, %d before a slide: %v", keep, k, left, err)
	} else if over {
		keep = left
		if err := s.Commit(keep); err != nil {
			t.Fatal(err)
		}
	}
	return keep
}

// Where a context is longer than a backend's blocks every unit of its caches moves
// up as it is, and comes back to its place.
func TestSlideOfLongCaches(t *testing.T) {
	const unit, context, drop = backend.CacheUnit, 1500, 704
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	for _, kv := range []model.KVType{model.KVF16, model.KVQ8_0} {
		s := session(t, f, model.Options{Context: context, Slide: true, KV: kv})
		read := func(i, pos int) []byte {
			rows, err := s.ReadCache(i, pos, pos+unit, nil)
			if err != nil {
				t.Fatal(err)
			}
			return rows
		}
		ids := someTokens(2500)
		if _, err := s.Feed(ids[:1490], model.WantNone); err != nil {
			t.Fatal(err)
		}
		want := map[[2]int][]byte{}
		for i, p := range s.Parts() {
			for pos := 0; p.Cache && pos+unit <= 1490; pos += unit {
				want[[2]int{i, pos}] = read(i, pos)
			}
		}
		before, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{11, 700, 20} { // one slide, two, one
			if _, err := s.Feed(ids[1490:1490+n], model.WantNone); err != nil {
				t.Fatal(err)
			}
			if s.Dropped() != drop && s.Dropped() != 2*drop {
				t.Fatalf("%d dropped", s.Dropped())
			}
			for at, rows := range want {
				if to := at[1] - s.Dropped(); at[1] >= unit+s.Dropped() && !slices.Equal(read(at[0], to), rows) {
					t.Errorf("%v: position %d of cache %d did not move up as it is", kv, at[1], at[0])
				}
			}
			if err := s.Restore(before); err != nil || s.Dropped() != 0 {
				t.Fatal(s.Dropped(), err)
			}
			for at, rows := range want {
				if !slices.Equal(read(at[0], at[1]), rows) {
					t.Errorf("%v: position %d of cache %d did not come back after %d tokens", kv, at[1], at[0], n)
				}
			}
		}
	}
}

// Prompts are cut where the context slides, so that a long feed drops what short
// ones drop.
func TestSlideOfPrompts(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	for _, context := range []int{64, 100, 640} {
		s := session(t, f, model.Options{Context: context, Slide: true})
		ids := someTokens(4000)
		r := rand.New(rand.NewPCG(3, 4))
		for n := 0; n < len(ids); {
			k := min(1+r.IntN(700), len(ids)-n)
			if _, err := s.Feed(ids[n:n+k], model.WantNone); err != nil {
				t.Fatal(err)
			}
			n += k
			if got, want := s.Dropped(), droppedAfter(n, context, 0); got != want {
				t.Fatalf("context %d: %d dropped after %d tokens, want %d", context, got, n, want)
			}
		}
	}
}

// What the caches lost is kept for a while only, however long a session.
func TestLostStaysSmall(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	s := session(t, f, model.Options{Context: 128, Slide: true})
	for range 400 {
		if _, err := s.Feed(someTokens(16), model.WantNone); err != nil {
			t.Fatal(err)
		}
		positions := 0
		for _, l := range s.Lost() {
			positions += l.Count
		}
		if positions > 2048 || s.Dropped() > 0 && positions == 0 {
			t.Fatalf("%d positions are kept of %d that were lost", positions, s.Dropped())
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

// A session that stays ends with its context, beside others of its runtime that
// slide.
func TestStay(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "llama"), "q8_0")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := m.NewRuntime(cpu.New(2), model.Options{Context: 128, Slide: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, stays := range []bool{false, true} {
		s, err := r.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if stays {
			s.Stay()
		}
		_, err = s.Read(someTokens(200), model.WantNone, nil)
		if errors.Is(err, model.ErrContext) != stays || s.Slides() == stays || !stays && s.Dropped() == 0 {
			t.Errorf("stays %t: %v, slides %t, dropped %d", stays, err, s.Slides(), s.Dropped())
		}
	}
}
