package model_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// A feed stopped anywhere leaves the session as it was before the pass, to the
// bit: the same tokens, or others, give what they give where none was stopped.
func TestStoppedFeed(t *testing.T) {
	for i, name := range testutil.Checkpoints(t) {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
			for _, b := range []backend.Backend{cpu.New(1), cpu.New(2), ref.New(2)} {
				o := model.Options{Context: 512, KV: []model.KVType{model.KVF16, model.KVQ8_0}[i%2]}
				stoppedFeed(t, f, b, o)
				if i < 6 || i > 20 { // also where the pass that is stopped slid before
					stoppedFeed(t, f, b, model.Options{Context: 64, Slide: true, KV: o.KV})
				}
			}
		})
	}
}

func stoppedFeed(t *testing.T, f *format.File, b backend.Backend, o model.Options) {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, plain := sessionOn(t, b, m, o), sessionOn(t, b, m, o)
	r := rand.New(rand.NewPCG(5, 6))
	looks := 0
	rounds := 4
	if o.Slide {
		rounds = 24
	}
	for range rounds {
		// A few tokens, of which some are taken back, so that the next pass has a log
		// to replay; then a prompt, or as few as have passes of their own.
		few := random(r, 1+r.IntN(backend.MaxVerify))
		keep := len(few) / 2
		if left := s.Left(); left < len(few) { // what is before a slide stays
			keep = max(keep, left)
		}
		for _, s := range []*model.Session{s, plain} {
			if _, err := s.Feed(few, model.WantNone); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(keep); err != nil {
				t.Fatal(err)
			}
		}
		ids := random(r, []int{5, 40}[r.IntN(2)])
		if o.Slide {
			ids = ids[:min(len(ids), backend.MaxVerify)] // bits are the same wherever a slide cuts them
		}
		all, before := ids, len(s.Tokens())
		for after := int64(0); ; after = 2*after + 1 {
			var n atomic.Int64
			w := &model.Watch{Stop: func() bool { return n.Add(1) > after }}
			got, err := s.Read(ids, model.WantLast, w)
			if err == nil {
				want, err := plain.Read(all, model.WantLast, nil)
				if err != nil || !slices.Equal(got, want) {
					t.Fatalf("%s: after stopped feeds the logits differ, %v", b.Name(), err)
				}
				break
			}
			looks++
			if !errors.Is(err, backend.ErrStopped) || len(s.Tokens()) < before || len(s.Tokens()) > before && !o.Slide {
				t.Fatalf("%s: stopped after %d looks: %v, %d tokens more", b.Name(), after, err, len(s.Tokens())-before)
			}
			if o.Slide {
				if got, want := s.Dropped(), droppedAfter(len(s.Tokens()), o.Context, 0); got != want {
					t.Fatalf("%s: %d dropped after %d tokens, want %d", b.Name(), got, len(s.Tokens()), want)
				}
				ids = ids[len(s.Tokens())-before:] // passes before a slide are not taken back
				before = len(s.Tokens())
			}
			if after > 3 && !o.Slide { // others than those that were stopped
				other := random(r, len(ids))
				if _, err := s.Feed(other[:3], model.WantLast); err != nil {
					t.Fatal(err)
				}
				if err := s.Commit(0); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if looks < 12 {
		t.Errorf("%s: stopped %d times only", b.Name(), looks)
	}
}

func random(r *rand.Rand, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(500))
	}
	return ids
}

// What is read is told as it is read, and rises to the whole.
func TestWatchTells(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	s := session(t, f, model.Options{Context: 512})
	last, times := 0, 0
	w := &model.Watch{Stop: func() bool { return false }, Read: func(n int) {
		if n < last {
			t.Errorf("%d tokens read, then %d", last, n)
		}
		last = n
		times++
	}}
	if _, err := s.Read(random(rand.New(rand.NewPCG(1, 1)), 100), model.WantLast, w); err != nil {
		t.Fatal(err)
	}
	if last != 100 || times < 4 {
		t.Errorf("told %d times, up to %d tokens", times, last)
	}
}
