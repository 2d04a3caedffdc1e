package model_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Feeding, committing and going back in any order leaves exactly the state of
// having fed the kept tokens one at a time: the next logits agree to the bit.
func TestCommitEqualsInOrder(t *testing.T) {
	for i, name := range testutil.Checkpoints(t) {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
			goesBack(t, f, model.Options{Context: 512, KV: []model.KVType{model.KVF16, model.KVQ8_0}[i%2]}, 25)
		})
	}
}

// goesBack feeds up to 16 tokens a number of times, keeps some of them, and holds
// every kept row to that of a session that was fed them one at a time.
func goesBack(t *testing.T, f *format.File, o model.Options, rounds int) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	s, plain := session(t, f, o), session(t, f, o)
	for range rounds {
		k := 1 + r.IntN(backend.MaxVerify)
		draft := make([]int32, k)
		for i := range draft {
			draft[i] = int32(r.IntN(500))
		}
		rows, err := s.Feed(draft, model.WantAll)
		if err != nil {
			t.Fatal(err)
		}
		rows = slices.Clone(rows)
		keep := r.IntN(k + 1)
		if err := s.Commit(keep); err != nil {
			t.Fatal(err)
		}
		for i, id := range draft[:keep] {
			want, err := plain.Feed([]int32{id}, model.WantLast)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(rows[i*s.Vocab():(i+1)*s.Vocab()], want) {
				t.Fatalf("token %d of %d, %d kept: the logits differ from feeding in order", i, k, keep)
			}
		}
	}
	if !slices.Equal(s.Tokens(), plain.Tokens()) {
		t.Error("the timelines differ")
	}
}

// The number of threads does not change a bit.
func TestThreadsDoNotMatter(t *testing.T) {
	for _, name := range testutil.Checkpoints(t) {
		f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q4_k_m")
		m, err := model.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		tokens := make([]int32, 100)
		for i := range tokens {
			tokens[i] = int32(i * 37 % 500)
		}
		var want []float32
		for threads := 1; threads <= 5; threads++ {
			s, err := m.NewSession(cpu.New(threads), model.Options{Context: 128})
			if err != nil {
				t.Fatal(err)
			}
			got := append(logits(t, s, tokens[:60], false), logits(t, s, tokens[60:], true)...)
			s.Close()
			if want == nil {
				want = got
			} else if !slices.Equal(got, want) {
				t.Fatalf("%s: %d threads give other bits than one", name, threads)
			}
		}
	}
}

// A random walk of feeds long and short, commits, snapshots and restores stays
// on the bits of a session that is fed the surviving timeline anew in the same
// passes.
func TestSnapshots(t *testing.T) {
	for i, name := range testutil.Checkpoints(t) {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
			r := rand.New(rand.NewPCG(3, 4))
			kv := []model.KVType{model.KVQ8_0, model.KVF16}[i%2]
			s := session(t, f, model.Options{Context: 4096, KV: kv})
			random := func(n int) []int32 {
				out := make([]int32, n)
				for i := range out {
					out[i] = int32(r.IntN(500))
				}
				return out
			}
			feed := func(s *model.Session, ids []int32) []float32 {
				l, err := s.Feed(ids, model.WantLast)
				if err != nil {
					t.Fatal(err)
				}
				return slices.Clone(l)
			}
			for range 6 {
				feed(s, random(1+r.IntN(40)))
				snap, err := s.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				probe := random(1 + r.IntN(20))
				want := feed(s, probe)
				feed(s, random(1+r.IntN(300))) // off into a future that is taken back
				if err := s.Restore(snap); err != nil {
					t.Fatal(err)
				}
				if got := feed(s, probe); !slices.Equal(got, want) {
					t.Fatal("after going back the same tokens give other logits")
				}
			}
			snap, _ := s.Snapshot()
			if err := s.Reset(); err != nil {
				t.Fatal(err)
			}
			feed(s, random(3))
			if err := s.Restore(snap); !errors.Is(err, model.ErrSnapshot) {
				t.Errorf("a snapshot of another conversation: %v", err)
			}
			fresh := session(t, f, model.Options{Context: 64, KV: kv})
			ids := random(20)
			if err := s.Reset(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(feed(s, ids), feed(fresh, ids)) {
				t.Error("Reset leaves something behind")
			}
		})
	}
}

func TestFeedErrors(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "zephyr"), "f32")
	s := session(t, f, model.Options{Context: 8})
	if _, err := s.Feed([]int32{1, 2, 3}, model.WantLast); err != nil {
		t.Fatal(err)
	}
	for name, ids := range map[string][]int32{"none": {}, "negative": {-1}, "past the vocabulary": {int32(s.Vocab())}, "past the context": {1, 2, 3, 4, 5, 6}} {
		if _, err := s.Feed(ids, model.WantLast); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := s.Commit(4); err == nil {
		t.Error("committed more than was fed")
	}
	if _, err := s.Feed([]int32{1, 2, 3, 4, 5}, model.WantLast); err != nil {
		t.Errorf("refused feeds must leave the session whole: %v", err)
	}
}
