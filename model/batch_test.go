package model_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Sessions that share passes have the bits that each has alone, of every family:
// tokens that are taken back, prompts in pieces and contexts that slide between
// the passes.
func TestCompany(t *testing.T) {
	for _, path := range testutil.Checkpoints(t) {
		f, _ := testutil.Convert(t, testutil.Data("fixtures", path), "q8_0")
		m, err := model.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		company(t, path, m)
	}
}

// conversation is what a session is fed.
type conversation struct {
	s      *model.Session
	prompt []int32
	feeds  [][]int32
	keep   []int
	want   [][]float32
}

func company(t *testing.T, path string, m *model.Model) {
	t.Helper()
	b := cpu.New(2)
	defer b.Close()
	rt, err := m.NewRuntime(b, model.Options{Context: 128, Slide: true})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	r := rand.New(rand.NewPCG(1, 2))
	begin := func() *model.Session {
		s, err := rt.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	var list []*conversation
	for range 7 {
		c := &conversation{s: begin(), prompt: random(r, 1+r.IntN(170))}
		for range 12 {
			c.feeds = append(c.feeds, random(r, 1+r.IntN(6)))
			c.keep = append(c.keep, r.IntN(7))
		}
		l, err := c.s.Read(c.prompt, model.WantLast, nil)
		if err != nil {
			t.Fatal(path, err)
		}
		c.want = append(c.want, slices.Clone(l))
		for i := range c.feeds {
			c.feeds[i] = c.feeds[i][:min(len(c.feeds[i]), c.s.Left())]
			c.keep[i] = min(c.keep[i], len(c.feeds[i]))
			if l, err = c.s.Feed(c.feeds[i], model.WantAll); err != nil {
				t.Fatal(path, err)
			}
			c.want = append(c.want, slices.Clone(l))
			if err := c.s.Commit(c.keep[i]); err != nil {
				t.Fatal(path, err)
			}
		}
		c.s = begin()
		list = append(list, c)
	}
	for i := 0; i <= len(list[0].feeds); i++ {
		var feeds []*model.Feed
		for _, j := range r.Perm(len(list)) {
			c := list[j]
			if i == 0 { // read in pieces
				for at := 0; at < len(c.prompt); {
					end := min(len(c.prompt), (at/backend.PromptUnit+1+r.IntN(2))*backend.PromptUnit)
					l, err := c.s.Read(c.prompt[at:end], model.WantLast, nil)
					if err != nil {
						t.Fatal(path, err)
					}
					if at = end; at == len(c.prompt) && !slices.Equal(l, c.want[0]) {
						t.Fatalf("%s: a prompt of %d tokens differs when it is read in pieces", path, at)
					}
				}
				continue
			}
			feeds = append(feeds, &model.Feed{S: c.s, Tokens: c.feeds[i-1], Want: model.WantAll})
		}
		if i == 0 {
			continue
		}
		if err := rt.Feed(feeds); err != nil {
			t.Fatal(path, err)
		}
		for _, f := range feeds {
			j := slices.IndexFunc(list, func(c *conversation) bool { return c.s == f.S })
			if !slices.Equal(f.Logits, list[j].want[i]) {
				t.Fatalf("%s: feed %d of conversation %d differs in company", path, i, j)
			}
			if err := f.S.Commit(list[j].keep[i-1]); err != nil {
				t.Fatal(path, err)
			}
		}
	}
}
