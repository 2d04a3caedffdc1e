package schedule

import (
	"errors"
	"slices"
	"testing"

	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/session"
)

// What a store holds is gone on from by a later scheduler, under its key alone, with the
// text of the conversation going on.
func TestStore(t *testing.T) {
	names := []string{"mamba2-half", "../families/mistral-window", "../families/granite-h", "llama", "pure-mamba1"}
	if testing.Short() {
		names = names[:2]
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			w := realWorld(t, name, model.Options{Context: 6000, KV: model.KVQ8_0})
			folder, err := session.OpenCache(t.TempDir(), 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			defer folder.Close()
			begin := func() *core {
				o := w.clock(nil)
				o.Prefixes, o.Store = 256<<20, NewStore(folder)
				return newCore(w.engine(), o)
			}
			end := func(c *core) {
				if err := c.close(ErrClosed); err != nil || c.prefixes.held != 0 {
					t.Errorf("%d bytes are held: %v", c.prefixes.held, err)
				}
			}
			ask := func(c *core, key string, text []int32) *Handle {
				h := submit(t, c, Request{Tokens: text, MaxTokens: 40, Key: key, Sampling: sample.Options{Temp: 1, Seed: 5}})
				drive(t, c)
				return h
			}
			c := begin()
			prompt := words(1, 2500)
			reply := all(ask(c, "a", prompt))
			next := slices.Concat(prompt, reply, words(2, 30))
			end(c) // it is saved before the end
			c = begin()
			h := ask(c, "a", next)
			if n, want := h.Result().Cached, len(prompt)+len(reply)-1; n != want {
				t.Errorf("%d tokens are taken from the store, not %d", n, want)
			}
			other := begin()
			if n := ask(other, "b", next).Result().Cached; n != 0 {
				t.Errorf("another key takes %d tokens", n)
			}
			end(other)
			// The conversation in one scheduler.
			o := w.clock(nil)
			o.Prefixes = 256 << 20
			one := newCore(w.engine(), o)
			ask(one, "a", prompt)
			if want := all(ask(one, "a", next)); !slices.Equal(all(h), want) {
				t.Errorf("another text than without the break")
			}
			end(one)
			// The prompt again, with another ending, goes on behind what was read of it.
			again := begin()
			if n := ask(again, "a", slices.Concat(prompt, words(3, 10))).Result().Cached; n != len(prompt)/64*64 {
				t.Errorf("%d tokens of the prompt are taken from the store", n)
			}
			end(again)
			end(c)
		})
	}
}

// A store that fails costs time and nothing else.
func TestStoreFails(t *testing.T) {
	e := newSim(8192)
	c := simCore(e, Options{Prefixes: 1 << 30, Store: broken{}})
	r := Request{Tokens: words(1, 2500), MaxTokens: 20}
	h := submit(t, c, r)
	drive(t, c)
	if h.Result().Err != nil || !slices.Equal(all(h), byItself8k(t, r)) {
		t.Errorf("another text: %v", h.Result().Err)
	}
	for c.saves() {
		c.saveOne()
	}
}

type broken struct{}

func (broken) Find(string, Sequence, []int32, int) (int, error) { return 0, errors.New("broken") }
func (broken) Keep(string, Sequence)                            {}
