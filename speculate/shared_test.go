package speculate_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// A seed gives one text alone and in company: sequences of several options, with
// and without drafts, share passes whose rows are ranked or not, come and go, and
// make what each makes alone.
func TestSharedTextIsTheSame(t *testing.T) {
	f := fixture(t, "mamba2-half")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, ranks := range []bool{false, true} {
		b := backend.Backend(cpu.New(1))
		if ranks {
			b = &ranking{Backend: b}
		}
		rt, err := m.NewRuntime(b, model.Options{Context: 128})
		if err != nil {
			t.Fatal(err)
		}
		defer rt.Close()
		if rt.Ranks() != ranks {
			t.Fatalf("the runtime ranks: %v", rt.Ranks())
		}
		want := map[int][]int32{}
		for i, o := range companions {
			s := begun(t, rt)
			c := &companion{d: speculate.New(s, o, speculate.Options{}), s: s}
			for c.start(t, i); len(c.out) < shared; {
				made, err := c.d.Next()
				if err != nil {
					t.Fatal(err)
				}
				c.out = append(c.out, made...)
			}
			want[i] = c.out[:shared]
		}
		for seed := range uint64(3) {
			r := rand.New(rand.NewPCG(seed, 4))
			var all []*companion
			for i, o := range companions {
				so := speculate.Options{K: -1}
				if i%3 > 0 {
					so.K, so.Draft = []int{-1, 4}[i%2], []speculate.Drafter{speculate.NewLookup(), speculate.NewModel(session(t, f, 128), o)}[i%3-1]
				}
				s := begun(t, rt)
				all = append(all, &companion{d: speculate.New(s, o, so), s: s})
			}
			costs := speculate.NewCosts(64)
			for left := len(all); left > 0; {
				var some []*companion
				for _, i := range r.Perm(len(all)) {
					switch c := all[i]; {
					case len(c.out) == 0:
						if r.IntN(3) == 0 {
							c.start(t, i)
						}
					case len(c.out) < shared && r.IntN(4) > 0:
						some = append(some, c)
					}
				}
				if len(some) == 0 {
					continue
				}
				pass(t, rt, some, r.IntN(8), costs)
				for _, c := range some {
					if len(c.out) >= shared {
						left--
					}
				}
			}
			for i, c := range all {
				if !slices.Equal(c.out[:shared], want[i]) {
					t.Errorf("ranked %v, seed %d, %+v: other tokens than alone", ranks, seed, companions[i])
				}
			}
		}
	}
}

// shared is how many tokens each sequence makes.
const shared = 60

// companions are the options of sequences, one for each.
var companions = []sample.Options{
	{}, {Temp: 1, TopK: 30, Seed: 1}, {Temp: 0.8, TopP: 0.95, Seed: 2}, {Temp: 1.2, Seed: 3}, {RepeatPenalty: 1.2, PresencePenalty: 1}, {Temp: 1, MinP: 0.02, Seed: 1}, {Temp: 1, TopK: 30, Seed: 2},
}

// companion is a sequence in company.
type companion struct {
	d   *speculate.Decoder
	s   *model.Session
	out []int32
}

// start reads the prompt and makes the first token.
func (c *companion) start(t *testing.T, i int) {
	t.Helper()
	logits, err := c.s.Read([]int32{7, int32(11 + i/3), 250, 3, 9}, model.WantLast, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.d.Begin(logits)
	if c.out, err = c.d.Next(); err != nil {
		t.Fatal(err)
	}
	c.out = slices.Clone(c.out)
}

// pass makes one pass for several, each with at most most proposed tokens.
func pass(t *testing.T, rt *model.Runtime, list []*companion, most int, costs *speculate.Costs) {
	t.Helper()
	var feeds []*model.Feed
	rows, proposed := len(list), 0
	for _, c := range list {
		if costs != nil {
			c.d.Join(speculate.Company{Costs: costs, Rows: rows - 1, Sequences: len(list), Speed: 1})
		}
		plan, err := c.d.Plan(most)
		if err != nil {
			t.Fatal(err)
		}
		rows += len(plan) - 1
		proposed += len(plan) - 1
	}
	for _, c := range list {
		feeds = append(feeds, c.d.Feed(rt.Ranks()))
	}
	if err := rt.Feed(feeds); err != nil {
		t.Fatal(err)
	}
	if costs != nil {
		costs.Passed(rows, proposed, time.Duration(rows+8)*time.Millisecond)
	}
	for i, c := range list {
		made, err := c.d.Take(c.d.Rows(feeds[i]), 0)
		if err != nil {
			t.Fatal(err)
		}
		c.out = append(c.out, made...)
	}
}

// A decoder goes on in another session with the same text, and in no other.
func TestMove(t *testing.T) {
	f := fixture(t, "mamba2-half")
	a, b := session(t, f, 64), session(t, f, 64)
	d := speculate.New(a, sample.Options{Temp: 1, Seed: 2}, speculate.Options{})
	want, _ := generate(t, session(t, f, 64), sample.Options{Temp: 1, Seed: 2}, speculate.Options{}, []int32{1, 2, 3}, 20)
	logits, err := a.Feed([]int32{1, 2, 3}, model.WantLast)
	if err != nil {
		t.Fatal(err)
	}
	var got []int32
	for d.Begin(logits); len(got) < 20; {
		made, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, made...); len(got) == 9 {
			if d.Move(b, nil) == nil {
				t.Error("moved to another text")
			}
			if _, err := b.Feed(a.Tokens()[:3], model.WantNone); err != nil {
				t.Fatal(err)
			}
			for _, id := range a.Tokens()[3:] {
				if _, err := b.Feed([]int32{id}, model.WantNone); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Move(b, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !slices.Equal(got, want) || len(b.Tokens()) <= len(a.Tokens()) {
		t.Errorf("moved: %v, want %v", got, want)
	}
}

func begun(t *testing.T, rt *model.Runtime) *model.Session {
	t.Helper()
	s, err := rt.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
