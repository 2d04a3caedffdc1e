package schedule

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/sample"
)

// talk is a conversation of the random schedule.
type talk struct {
	turns    []Request // Tokens are the turn's own; those before it are added
	want     [][]int32 // what each turn's reply is alone
	text     []int32   // so far
	at       int       // the turn at work
	h        *Handle
	cancelAt int // steps after which it is cancelled, or 0
}

// world is what random conversations run on.
type world struct {
	engine func() Engine
	clock  func(Engine) Options // Options.Clock
	vocab  int
	drafts []string
	slides []bool
}

// random makes conversations. Some begin with one of a few long texts.
func (w *world) random(r *rand.Rand, n int) (list []*talk) {
	some := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = int32(r.IntN(w.vocab))
		}
		return out
	}
	systems := [][]int32{some(300), some(77), some(140), nil}
	for i := range n {
		base := Request{
			Priority: r.IntN(3), Key: []string{"", "x", "y"}[r.IntN(3)], Reuse: ReuseRead,
			Draft: w.drafts[r.IntN(len(w.drafts))], Slide: w.slides[r.IntN(len(w.slides))],
		}
		if r.IntN(8) == 0 {
			base.Reuse = ReuseNone
		}
		if r.IntN(2) == 0 {
			base.Sampling = sample.Options{Temp: []float32{0.7, 0.1}[r.IntN(2)], TopP: []float32{0.3, 0.95, 1}[r.IntN(3)], Seed: r.Uint64()}
		}
		base.Sampling.PresencePenalty = float32(i%3) / 2 // counts the reply's tokens alone
		if r.IntN(3) == 0 {
			base.Session = string(rune('A' + i))
		}
		c := &talk{}
		for k := range 1 + r.IntN(3) {
			x := base
			x.Tokens = some(1 + r.IntN(150))
			if k == 0 {
				system := systems[r.IntN(len(systems))]
				base.Pin = min(len(system), 64)
				x.Pin = base.Pin
				x.Tokens = slices.Concat(system[:r.IntN(len(system)+1)], x.Tokens)
				if x.Pin > len(x.Tokens) {
					base.Pin, x.Pin = 0, 0
				}
			}
			x.MaxTokens = 1 + r.IntN(60)
			if r.IntN(4) == 0 {
				x.Ends = map[int32]bool{}
				for _, id := range some(1 + w.vocab/25) {
					x.Ends[id] = true
				}
			}
			c.turns = append(c.turns, x)
		}
		if r.IntN(10) == 0 {
			c.cancelAt = 1 + r.IntN(60)
		}
		list = append(list, c)
	}
	return list
}

// next is the request of the turn at work.
func (c *talk) next() Request {
	r := c.turns[c.at]
	r.Tokens = slices.Concat(c.text, r.Tokens)
	return r
}

// said takes a turn's reply into the text.
func (c *talk) said(r Request, res Result, reply []int32) {
	c.text = slices.Concat(r.Tokens, reply)
	if res.Why == Ended {
		c.text = append(c.text, res.End)
	}
	c.at++
}

// alone notes what each turn's reply is without company, drafts, prefixes and
// limits.
func (c *talk) alone(t *testing.T, w *world, e Engine) {
	core := newCore(e, w.clock(e))
	for c.at < len(c.turns) {
		r := c.next()
		given := r
		r.Draft = ""
		if r.Session == "" {
			r.Reuse = ReuseNone
		}
		h, err := core.submit(context.Background(), r)
		if err != nil { // too long for the context
			c.turns = c.turns[:c.at]
			break
		}
		drive(t, core)
		if err := h.Result().Err; err != nil {
			t.Fatal(err)
		}
		c.want = append(c.want, all(h))
		c.said(given, h.Result(), all(h))
	}
	c.text, c.at = nil, 0
	if err := core.close(ErrClosed); err != nil {
		t.Fatal(err)
	}
}

// company runs the conversations together under a random schedule, and compares
// each reply with the one alone.
func (w *world) company(t *testing.T, seed uint64, n, together int, memory, prefixes int64) {
	r := rand.New(rand.NewPCG(seed, 1))
	list := w.random(r, n)
	e := w.engine()
	for _, c := range list {
		c.alone(t, w, e)
	}
	o := w.clock(e)
	o.Memory, o.Prefixes, o.Active, o.Sessions, o.Dir = memory, prefixes, together, n, t.TempDir()
	core := newCore(e, o)
	var sum Stats
	why := map[Reason]int{}
	var busy []*talk
	slid, slept := false, false
	for steps := 0; len(list) > 0 || len(busy) > 0; steps++ {
		for len(list) > 0 && len(busy) < 2*together && r.IntN(3) == 0 {
			busy, list = append(busy, list[0]), list[1:]
		}
		for _, c := range busy {
			w.step(t, core, c, &sum, why)
		}
		busy = slices.DeleteFunc(busy, func(c *talk) bool { return c.at >= len(c.turns) })
		core.step()
		audit(t, core)
		for _, x := range core.tasks {
			slid = slid || x.seq != nil && x.seq.Dropped() > 0
		}
		for _, s := range core.sessions {
			slept = slept || s.file != ""
		}
	}
	if !slid && len(w.slides) > 1 || !slept || sum.Cached == 0 || sum.Preempted == 0 || sum.Drafted.Accepted == 0 || sum.Drafted.Accepted == sum.Drafted.Proposed || why[Cancelled] == 0 || why[Ended]+why[Full] == 0 || why[Limit] == 0 {
		t.Errorf("not all was tried: %+v, %v, slid %t, slept %t", sum, why, slid, slept)
	}
	t.Logf("%+v, %v", sum, why)
	if err := core.close(ErrClosed); err != nil || core.used != 0 || files(t, o.Dir) > 0 {
		t.Errorf("%d bytes and %d files are left: %v", core.used, files(t, o.Dir), err)
	}
}

// step looks after one conversation.
func (w *world) step(t *testing.T, core *core, c *talk, sum *Stats, why map[Reason]int) {
	if c.at >= len(c.turns) {
		return
	}
	if c.h == nil {
		r := c.next()
		c.h = submit(t, core, r)
		return
	}
	if c.cancelAt > 0 {
		if c.cancelAt--; c.cancelAt == 0 {
			c.h.Cancel()
		}
	}
	select {
	case <-c.h.Done():
	default:
		return
	}
	res, got, want := c.h.Result(), all(c.h), c.want[c.at]
	why[res.Why]++
	sum.Cached += res.Cached
	sum.Preempted += res.Preempted
	sum.Drafted.Proposed += res.Drafted.Proposed
	sum.Drafted.Accepted += res.Drafted.Accepted
	sum.Generated += res.Generated
	switch {
	case res.Why == Cancelled && len(got) <= len(want) && slices.Equal(got, want[:len(got)]):
		c.at = len(c.turns)
		return
	case res.Why == Cancelled, res.Why == Failed, !slices.Equal(got, want):
		t.Fatalf("a turn of %d tokens, %+v: %s, %v\n%v in company\n%v alone", len(c.turns[c.at].Tokens), res.Stats, res.Why, res.Err, got, want)
	}
	c.said(c.next(), res, got)
	c.h = nil
}

// simWorld is the simulation's.
func simWorld(context int) *world {
	return &world{
		engine: func() Engine {
			e := newSim(context)
			e.limits.State, e.limits.Page = 4<<10, 64
			return e
		},
		clock:  func(e Engine) Options { return Options{Clock: e.(*sim).now} },
		vocab:  60,
		drafts: []string{"", "sim"},
		slides: []bool{false, true},
	}
}

// Conversations of random lengths under a random schedule, with drafts, cancels,
// preemption, sliding and shared prefixes, give the texts that each gives alone.
func TestCompanySimulated(t *testing.T) {
	n := 200
	if testing.Short() {
		n = 60
	}
	for seed := range uint64(3) {
		simWorld(448).company(t, seed, n, 6, 30<<10, 60<<10)
	}
}
