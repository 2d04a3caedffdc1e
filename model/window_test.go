package model_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// windowed is a session of a model of which every n-th attention layer has a window.
func windowed(t testing.TB, f *format.File, o model.Options, window, n int) *model.Session {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	setWindow(m, window, n)
	return sessionOn(t, cpu.New(0), m, o)
}

func setWindow(m *model.Model, window, n int) {
	for i, layer := range m.Config.AttentionLayers() {
		if i%n == n-1 {
			m.Config.Layers[layer].Attention().Window = window
		}
	}
}

// Memory does not grow with the context where all attention has a window, whatever
// its type, and a window as long as the context costs what none does.
func TestWindowMemory(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("families", "mistral-window"), "q8_0")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	kv := func(window int, o model.Options) int64 {
		setWindow(m, window, 1)
		n, _ := m.Memory(o)
		return n
	}
	for _, slide := range []bool{false, true} {
		for _, t1 := range []model.KVType{model.KVF16, model.KVQ8_0} {
			near, far := kv(100, model.Options{Context: 4096, KV: t1, Slide: slide}), kv(100, model.Options{Context: 32768, KV: t1, Slide: slide})
			if none := kv(0, model.Options{Context: 3072, KV: t1}); near != far || near != none {
				t.Errorf("%v: %d bytes in a context of 4096, %d in one of 32768, %d for 3072 positions without a window", t1, near, far, none)
			}
		}
	}
	o := model.Options{Context: 700}
	if a, b := kv(700, o), kv(0, o); a != b {
		t.Errorf("a window as long as the context takes %d bytes, none %d", a, b)
	}
}

// However tokens are fed, taken back and gone back behind, in a ring that many
// walks go around, a token's logits are those of the timeline alone, fed token by
// token to a longer ring. Where all attention has a window they do not depend on
// slides either.
func TestWindowDependsOnTheTimeline(t *testing.T) {
	for i, c := range []struct {
		name           string
		window, layers int
		o              model.Options
	}{
		{"../families/mistral-window", 16, 1, model.Options{Context: 100, Slide: true, KV: model.KVF16}},
		{"../families/mistral-window", 33, 1, model.Options{Context: 64, Slide: true, KV: model.KVQ8_0}},
		{"mamba2-half", 40, 1, model.Options{Context: 96, Slide: true, KV: model.KVQ8_0}},
		{"llama", 1, 1, model.Options{Context: 128, Slide: true}},
	} {
		t.Run(fmt.Sprint(c.name, c.window), func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", c.name), []string{"q8_0", "f32"}[i/3])
			s := windowed(t, f, c.o, c.window, c.layers)
			plain := windowed(t, f, model.Options{Context: 3000, KV: c.o.KV}, c.window, c.layers)
			r := rand.New(rand.NewPCG(uint64(i), 8))
			lost := 0
			var marks []*model.Snapshot
			for len(s.Tokens()) < 1500 {
				base := slices.Clone(s.Tokens())
				ids := random(r, 1+r.IntN(backend.MaxVerify))
				left := s.Left()
				rows, err := s.Feed(ids, model.WantAll)
				if err != nil {
					t.Fatal(err)
				}
				rows = slices.Clone(rows)
				keep := keepSome(t, s, r.IntN(len(ids)+1), len(ids), left)
				agree(t, plain, base, ids[:keep], rows)
				if m, err := s.Snapshot(); err != nil {
					t.Fatal(err)
				} else {
					marks = append(marks, m)
				}
				if r.IntN(20) == 0 {
					m := marks[max(0, len(marks)-1-r.IntN(8))]
					if r.IntN(3) == 0 {
						m = marks[r.IntN(len(marks))]
					}
					far := len(s.Tokens()) - m.Len()
					switch err := s.Restore(m); {
					case errors.Is(err, model.ErrSnapshot) && far > c.o.Context:
						lost++
					case err != nil:
						t.Fatalf("back by %d of %d tokens: %v", far, len(base), err)
					default:
						marks = slices.DeleteFunc(marks, func(m *model.Snapshot) bool { return m.Len() > len(s.Tokens()) })
					}
				}
			}
			if t.Log(lost, "snapshots lost"); lost == 0 {
				t.Error("every point could be gone back to: the ring is not gone around")
			}
		})
	}
}

// agree holds a feed's rows to those of plain, which follows token by token.
func agree(t *testing.T, plain *model.Session, base, ids []int32, rows []float32) {
	t.Helper()
	n := len(plain.Tokens())
	if n > len(base) || !slices.Equal(plain.Tokens(), base[:n]) {
		if err := plain.Reset(); err != nil {
			t.Fatal(err)
		}
		n = 0
	}
	for ; n < len(base); n = len(plain.Tokens()) {
		logits(t, plain, base[n:min(n+backend.MaxVerify, len(base))], false)
	}
	for i := range ids {
		if row := logits(t, plain, ids[i:i+1], false); !slices.Equal(row, rows[i*len(row):(i+1)*len(row)]) {
			t.Fatalf("token %d of a feed after %d: other logits than token by token", i, len(base))
		}
	}
}

// Prompts give the same wherever they are cut, in a short ring and in a long one, and
// nearly what the backend gives that defines it.
func TestWindowPrompts(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("families", "mistral-window"), "f32")
	ids := someTokens(3000)
	long := session(t, f, model.Options{Context: 4096})
	want := logits(t, long, ids[:2900], false)
	definition := plain(t, f, model.Options{Context: 4096})
	if e := testutil.RelativeError(want, logits(t, definition, ids[:2900], false)); !(e < 1e-5) {
		t.Errorf("%.1e from the definition", e)
	}
	vocab := long.Vocab()
	want = want[2899*vocab:]
	for _, cut := range []int{100, 512, 700} {
		s := session(t, f, model.Options{Context: 128, Slide: true})
		var got []float32
		for at := 0; at < 2900; at += cut {
			got = logits(t, s, ids[at:min(at+cut, 2900)], false)
		}
		if got = got[len(got)-vocab:]; !slices.Equal(got, want) {
			t.Errorf("prompts of %d tokens give other bits", cut)
		}
	}
}

// Going back as far as a ring holds is going back; further is an error that leaves
// the session as it was.
func TestWindowGoesBack(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("families", "mistral-window"), "q8_0")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	ids := someTokens(5200)
	for _, b := range []backend.Backend{cpu.New(0), ref.New(0)} {
		s := sessionOn(t, b, m, model.Options{Context: 8192})
		feed := func(ids []int32) []float32 {
			out, err := s.Feed(ids, model.WantLast)
			if err != nil {
				t.Fatal(err)
			}
			return slices.Clone(out)
		}
		feed(ids[:2000])
		snap, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		want := feed(ids[2000:2040])
		for _, n := range []int{2048, 3100} {
			feed(ids[2040 : 2000+n])
			err := s.Restore(snap)
			lost := n > 3072-16-backend.CacheUnit
			if lost != errors.Is(err, model.ErrSnapshot) || !lost && err != nil {
				t.Fatalf("%s: back by %d tokens: %v", b.Name(), n, err)
			}
			if lost {
				break
			}
			if !slices.Equal(feed(ids[2000:2040]), want) {
				t.Errorf("%s: after going back by %d tokens the logits are others", b.Name(), n)
			}
		}
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		feed(ids[:2000])
		if !slices.Equal(feed(ids[2000:2040]), want) {
			t.Errorf("%s: a reset leaves something behind", b.Name())
		}
	}
}
