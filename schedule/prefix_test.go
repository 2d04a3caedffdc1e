package schedule

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// A prompt that begins like an earlier one is read from the last point before
// they part, with the same bits. A third one finds the point where they parted.
func TestPrefixes(t *testing.T) {
	e := newSim(8192)
	c := simCore(e, Options{Prefixes: 1 << 30})
	system := words(1, 2500)
	ask := func(key string, tail uint64, reuse Reuse) (int, []int32) {
		r := Request{Tokens: slices.Concat(system, words(tail, 100)), MaxTokens: 20, Key: key, Reuse: reuse}
		h := submit(t, c, r)
		drive(t, c)
		if got := all(h); !slices.Equal(got, byItself8k(t, r)) {
			t.Errorf("key %q, tail %d: another text than alone", key, tail)
		}
		return h.Result().Cached, all(h)
	}
	for _, x := range []struct {
		key    string
		tail   uint64
		reuse  Reuse
		cached int
	}{
		{"a", 2, ReuseAll, 0},
		{"a", 3, ReuseAll, 2048},  // 2 × 1,024
		{"a", 4, ReuseAll, 2496},  // where the first two parted, in whole units
		{"a", 4, ReuseRead, 2560}, // the same prompt up to its last unit
		{"a", 4, ReuseNone, 0},    // asked for
		{"b", 2, ReuseAll, 0},     // another's
		{"", 2, ReuseAll, 0},      // nobody's
		{"b", 2, ReuseRead, 2560}, // its own
	} {
		if got, _ := ask(x.key, x.tail, x.reuse); got != x.cached {
			t.Errorf("key %q, tail %d: %d tokens cached, not %d", x.key, x.tail, got, x.cached)
		}
	}
}

// A text that goes on otherwise within a long reply is read from at most 1,024 tokens
// before that place, with drafts and without.
func TestWithinReply(t *testing.T) {
	for _, draft := range []string{"", "sim"} {
		e := newSim(8192)
		c := simCore(e, Options{Prefixes: 1 << 30})
		prompt := words(1, 100)
		h := submit(t, c, Request{Tokens: prompt, MaxTokens: 3000, Draft: draft})
		drive(t, c)
		text := slices.Concat(prompt, all(h))
		for _, at := range []int{2900, 2047, 1100} {
			h := submit(t, c, Request{Tokens: slices.Concat(text[:at], words(2, 100)), MaxTokens: 2})
			drive(t, c)
			if got := h.Result().Cached; got < at-1024 || got > at {
				t.Errorf("draft %q: %d tokens of %d are taken from the cache", draft, got, at)
			}
		}
	}
}

func byItself8k(t *testing.T, r Request) []int32 {
	t.Helper()
	e := newSim(8192)
	c := simCore(e, Options{})
	r.Draft, r.Reuse = "", ReuseNone
	h := submit(t, c, r)
	drive(t, c)
	return all(h)
}

// The end of a reply is gone on from exactly as a session goes on, where that is
// allowed. Where only what was read may be reused, the reply is read again.
func TestReplyIsReused(t *testing.T) {
	turn := func(c *core, session string, reuse Reuse, text []int32) ([]int32, int) {
		h := submit(t, c, Request{Tokens: text, MaxTokens: 90, Session: session, Reuse: reuse})
		drive(t, c)
		return all(h), h.Result().Cached
	}
	talk := func(o Options, session string, reuse Reuse) (texts [][]int32, cached []int) {
		c := simCore(newSim(8192), o)
		text := words(1, 700)
		for i := range 4 {
			reply, n := turn(c, session, reuse, text)
			texts, cached = append(texts, reply), append(cached, n)
			text = slices.Concat(text, reply, words(uint64(20+i), 50))
		}
		return texts, cached
	}
	o := Options{Prefixes: 1 << 30}
	want, kept := talk(Options{}, "s", ReuseAll)
	if !slices.Equal(kept, []int{0, 789, 929, 1069}) { // the last token of a reply is not in its sequence
		t.Errorf("a session goes on behind %v tokens", kept)
	}
	got, cached := talk(o, "", ReuseAll)
	if !slices.EqualFunc(got, want, slices.Equal) || !slices.Equal(cached, kept) {
		t.Errorf("without a session the texts differ, or behind %v tokens", cached)
	}
	exact, cached := talk(o, "", ReuseRead)
	none, _ := talk(Options{}, "", ReuseNone)
	if !slices.EqualFunc(exact, none, slices.Equal) {
		t.Error("texts behind prefixes that were read differ from those alone")
	}
	if !slices.Equal(cached, []int{0, 640, 832, 960}) {
		t.Errorf("what was read is reused up to %v", cached)
	}
	if slices.EqualFunc(exact, want, slices.Equal) {
		t.Error("the simulation does not tell reading from decoding")
	}
}

// The entry that was used longest ago goes first, and using one does not refresh
// those before it.
func TestPrefixOrder(t *testing.T) {
	e := newSim(8192)
	// Three points with their pages fit.
	c := simCore(e, Options{Prefixes: 3*(e.limits.State+e.limits.page()) + 3*(overhead+8*130)})
	ask := func(seed uint64) int {
		h := submit(t, c, Request{Tokens: words(seed, 120), MaxTokens: 1, Reuse: ReuseRead})
		drive(t, c)
		return h.Result().Cached
	}
	for i, want := range []int{0, 0, 0, 64, 0, 64, 0} {
		seed := []uint64{1, 2, 3, 1, 4, 1, 2}[i] // 4 pushes out 2, and 2 then 3
		if got := ask(seed); got != want {
			t.Errorf("step %d: %d tokens cached, not %d", i, got, want)
		}
	}
	long := words(9, 600)
	p := newPrefixes(e.limits, 1<<30)
	for _, n := range []int{128, 320, 576} {
		s, _ := e.Open(false)
		s.Read(long[:n], 0)
		if _, err := p.keep("", s, []run{{0, false}}); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	auditPrefixes(t, p)
	if p.held != 3*(e.limits.State+overhead)+e.limits.rows(576)+8*576 {
		t.Errorf("%d bytes: points of one text do not share its pages", p.held)
	}
	p.find("", long[:330], ReuseRead)
	var order []int
	for x := p.order.Front(); x != nil; x = x.Next() {
		order = append(order, x.Value.(*entry).node.end)
	}
	if !slices.Equal(order, []int{320, 576, 128}) {
		t.Errorf("used last to first: %v", order)
	}
}

// Whatever comes and goes, the tree stays whole, its books right, its budget
// held, and what it finds begins the prompt.
func TestPrefixWalk(t *testing.T) {
	e := newSim(4096)
	r := rand.New(rand.NewPCG(3, 4))
	texts := 300
	if testing.Short() {
		texts = 80
	}
	for _, budget := range []int64{1, 200 << 10, 1 << 20, 1 << 30} {
		p := newPrefixes(e.limits, budget)
		for range texts {
			text := words(uint64(r.IntN(4)), 64+r.IntN(1500))
			copy(text[64+r.IntN(len(text)-63):], words(uint64(r.IntN(3)), 2000))
			key := fmt.Sprint(r.IntN(2))
			reuse := Reuse(r.IntN(2))
			s, _ := e.Open(false)
			q := s.(*simSeq)
			var runs []run
			if found, _ := p.find(key, text, reuse); found != nil {
				if err := p.start(s, found, text); err != nil {
					t.Fatal(err)
				}
				runs = append(runs, found.runs...)
				again, _ := e.Open(false)
				remake(t, again.(*simSeq), text[:found.node.end], found.runs)
				if again.(*simSeq).state != q.state || !slices.Equal(again.(*simSeq).kv, q.kv) {
					a := again.(*simSeq)
					for i := range a.kv {
						if a.kv[i] != q.kv[i] {
							t.Logf("kv %d", i)
							break
						}
					}
					t.Fatalf("an entry is not what its text gives: state %t, end %d, runs %v, logged %d", a.state == q.state, found.node.end, found.runs, found.logged)
				}
				again.Close()
			}
			for at := len(q.tokens); at < len(text); at = len(q.tokens) {
				if r.IntN(3) == 0 {
					runs = add(runs, at, true, 64)
					for _, id := range text[at:min(at+1+r.IntN(90), len(text))] {
						q.one(id)
					}
				} else {
					runs = add(runs, at, false, 64)
					n := min((at/64+1+r.IntN(3))*64, len(text)) - at
					if r.IntN(4) == 0 {
						n = 1 + r.IntN(n) // as where a reply had no token
					}
					q.Read(text[at:at+n], 0)
				}
				if _, err := p.keep(key, s, runs); err != nil {
					t.Fatal(err)
				}
				auditPrefixes(t, p)
			}
			s.Close()
		}
		if budget > 1<<29 && p.order.Len() < texts || budget == 1 && p.order.Len() > 0 {
			t.Errorf("budget %d: %d entries", budget, p.order.Len())
		}
		p.close()
		if p.held != 0 || len(p.trees) != 0 {
			t.Errorf("%d bytes and %d trees are left", p.held, len(p.trees))
		}
	}
	if e.open != 0 {
		t.Errorf("%d sequences are left", e.open)
	}
}

// remake computes a text in the way that runs say.
func remake(t *testing.T, s *simSeq, text []int32, runs []run) {
	t.Helper()
	for i, r := range runs {
		end := len(text)
		if i+1 < len(runs) {
			end = runs[i+1].from
		}
		if !r.decoded {
			s.Read(text[r.from:end], 0)
			continue
		}
		for _, id := range text[r.from:end] {
			s.one(id)
		}
	}
}

// Ten thousand requests one after another leave nothing behind.
func TestManyRequests(t *testing.T) {
	e := newSim(4096)
	c := simCore(e, Options{Prefixes: 4 << 20, Memory: 10 << 20, Active: 8, Dir: t.TempDir()})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var before uint64
	n := 10_000
	for i := range n {
		if i == n/10 {
			before = heap()
		}
		submit(t, c, Request{Tokens: words(uint64(i), 40+i%100), MaxTokens: 1 + i%7, Key: fmt.Sprint(i % 50), Session: fmt.Sprint(i % 3 * i)})
		for len(c.tasks) > 8 {
			c.step()
		}
	}
	drive(t, c)
	if after := heap(); after > before+before/10 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	if len(c.tasks) != 0 || c.prefixes.held > 4<<20 || len(c.sessions) > 64 {
		t.Errorf("%d requests, %d bytes of prefixes, %d sessions are left", len(c.tasks), c.prefixes.held, len(c.sessions))
	}
	if err := c.close(ErrClosed); err != nil || e.open != 0 || c.used != 0 {
		t.Errorf("%d sequences and %d bytes are left: %v", e.open, c.used, err)
	}
}
