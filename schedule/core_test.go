package schedule

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// drive steps a core to the end, and looks at its books after every step.
func drive(t *testing.T, c *core) {
	t.Helper()
	for n := 0; c.step(); n++ {
		audit(t, c)
		if n > 2_000_000 {
			t.Fatal("it does not end")
		}
	}
	if len(c.tasks) > 0 {
		t.Fatalf("%d requests wait and nothing is at work", len(c.tasks))
	}
}

// audit compares the books of memory with what is there, and both with the
// budgets.
func audit(t *testing.T, c *core) {
	t.Helper()
	var used int64
	for _, x := range c.tasks {
		used += x.bytes
		if x.seq != nil && c.l.bytes(x.holds())+x.beside > x.bytes {
			t.Fatalf("a request holds %d positions with %d bytes, phase %d, %+v", x.holds(), x.bytes, x.phase, x.result)
		}
	}
	for _, s := range c.sessions {
		used += s.bytes
		if s.seq != nil && c.l.bytes(len(s.seq.Tokens())-s.seq.Dropped()) > s.bytes {
			t.Fatalf("a session holds more than %d bytes", s.bytes)
		}
	}
	if used != c.used || used > c.o.Memory {
		t.Fatalf("%d bytes are in the books, %d are there, %d is the limit", c.used, used, c.o.Memory)
	}
	auditPrefixes(t, c.prefixes)
}

func auditPrefixes(t *testing.T, p *prefixes) {
	t.Helper()
	var held int64
	entries := 0
	refs := map[*page]int{}
	var walk func(n *node)
	walk = func(n *node) {
		held += p.labels(len(n.labels))
		if n.parent != nil && n.kept == nil && len(n.next) < 2 {
			t.Fatal("a node of no use")
		}
		if e := n.kept; e != nil {
			entries++
			held += overhead + int64(e.state.Size())
			for i, pg := range e.pages {
				refs[pg]++
				if pg.n < min(p.l.Page, n.end-i*p.l.Page) {
					t.Fatal("a page lacks positions")
				}
			}
		}
		for l, child := range n.next {
			if child.parent != n || child.labels[0] != l || child.end != n.end+len(child.labels) {
				t.Fatal("the tree is broken")
			}
			walk(child)
		}
	}
	for _, root := range p.trees {
		walk(root)
	}
	for pg, n := range refs {
		held += pg.bytes
		if pg.refs != n {
			t.Fatalf("a page counts %d entries and has %d", pg.refs, n)
		}
	}
	if held != p.held || held > p.budget && p.budget > 0 || entries != p.order.Len() {
		t.Fatalf("prefixes: %d bytes in the books, %d there, the budget is %d; %d entries of %d", p.held, held, p.budget, p.order.Len(), entries)
	}
}

// all takes a finished request's tokens.
func all(h *Handle) []int32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.ids)
}

func submit(t *testing.T, c *core, r Request) *Handle {
	t.Helper()
	h, err := c.submit(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// words are n random tokens of a seed.
func words(seed uint64, n int) []int32 {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(r.IntN(60))
	}
	return out
}

// times notes when a request's tokens come.
func times(e *sim, r *Request) *[]time.Duration {
	var list []time.Duration
	start := e.clock
	r.Stop = func(int32) bool { list = append(list, e.clock.Sub(start)); return false }
	return &list
}

func simCore(e *sim, o Options) *core {
	o.Clock = e.now
	return newCore(e, o)
}

// A prompt of 8,000 tokens that arrives beside four streams delays none of their
// tokens by more than two pieces' time, and makes progress all the while.
func TestLongPromptBesideStreams(t *testing.T) {
	e := newSim(32768)
	c := simCore(e, Options{})
	var streams []*[]time.Duration
	for i := range 4 {
		r := Request{Tokens: words(uint64(i), 100), MaxTokens: 300}
		streams = append(streams, times(e, &r))
		submit(t, c, r)
	}
	for range 60 {
		c.step()
	}
	long := Request{Tokens: words(9, 8000), MaxTokens: 10}
	came := times(e, &long)
	h := submit(t, c, long)
	from := e.clock
	drive(t, c)
	piece := e.piece(64) // the shortest on such a machine
	worst := time.Duration(0)
	for _, s := range streams {
		if len(*s) != 300 {
			t.Fatalf("%d tokens of 300", len(*s))
		}
		for i := 60; i < len(*s); i++ {
			worst = max(worst, (*s)[i]-(*s)[i-1])
		}
	}
	if worst > 2*piece || worst < piece {
		t.Errorf("a token came after %v; a piece takes %v", worst, piece)
	}
	first := h.Result().First
	if most := time.Duration(8000/64+1) * (piece + e.pass(5)); first > most || len(*came) != 10 {
		t.Errorf("the prompt was read in %v, at most %v are due since %v", first, most, from)
	}
}

// Where a pass is long beside a piece, pieces grow with it, up to the gap.
func TestPiecesFollowTime(t *testing.T) {
	e := newSim(32768)
	e.pass = func(rows int) time.Duration { return 8 * time.Millisecond } // a GPU
	e.piece = func(tokens int) time.Duration { return time.Duration(50*tokens) * time.Microsecond }
	c := simCore(e, Options{Gap: 30 * time.Millisecond})
	r := Request{Tokens: words(1, 64), MaxTokens: 400}
	list := times(e, &r)
	submit(t, c, r)
	for range 20 {
		c.step()
	}
	submit(t, c, Request{Tokens: words(2, 16000), MaxTokens: 1})
	h := submit(t, c, Request{Tokens: words(3, 16000), MaxTokens: 1})
	drive(t, c)
	worst := time.Duration(0)
	for i := 20; i < len(*list); i++ {
		worst = max(worst, (*list)[i]-(*list)[i-1])
	}
	if worst > 38*time.Millisecond || worst < 30*time.Millisecond {
		t.Errorf("a token came after %v; 30 ms of a piece and 8 of a pass are allowed", worst)
	}
	if h.Result().First > 2500*time.Millisecond {
		t.Errorf("32,000 tokens took %v", h.Result().First)
	}
}

// Where nobody decodes, a piece takes a second at most, so that whoever comes is
// soon served.
func TestPiecesAlone(t *testing.T) {
	e := newSim(32768)
	c := simCore(e, Options{})
	submit(t, c, Request{Tokens: words(1, 8000), MaxTokens: 1})
	for n := 0; len(c.tasks) > 0; n++ {
		start := e.clock
		c.step()
		most := time.Second
		if n < 2 { // nothing is known, and the first step of a size is no measure
			most = e.piece(512)
		}
		if took := e.clock.Sub(start); took > most {
			t.Errorf("piece %d takes %v", n, took)
		}
	}
	if e.clock.Sub(time.Unix(1000, 0)) != e.piece(8000) {
		t.Error("a token is read twice")
	}
}

// A prompt that keeps meeting new short ones still is read at its fair share.
func TestShortPromptsDoNotStarveLong(t *testing.T) {
	e := newSim(32768)
	c := simCore(e, Options{Active: 4, Aging: time.Hour})
	h := submit(t, c, Request{Tokens: words(1, 6400), MaxTokens: 1})
	short := 0
	for n := 0; ; n++ {
		for len(c.tasks) < 8 { // more than there is time for
			submit(t, c, Request{Tokens: words(uint64(10+short), 64), MaxTokens: 1})
			short++
		}
		c.step()
		select {
		case <-h.Done():
			// 100 units, of four at work.
			if got := h.Result().First; got > 4*e.piece(6400)+e.piece(640) {
				t.Errorf("beside short prompts it took %v, alone %v", got, e.piece(6400))
			}
			if short < 30 {
				t.Errorf("%d short prompts came through beside it", short)
			}
			return
		default:
		}
		if n > 5000 {
			t.Fatal("the long prompt starves")
		}
	}
}

// Streams that are more than a pass has rows take turns.
func TestStreamsTakeTurns(t *testing.T) {
	e := newSim(4096)
	e.limits.Rows = 4
	c := simCore(e, Options{Active: 10})
	var list []*[]time.Duration
	for i := range 10 {
		r := Request{Tokens: words(uint64(i), 70), MaxTokens: 50}
		list = append(list, times(e, &r))
		submit(t, c, r)
	}
	drive(t, c)
	for _, s := range list {
		for i := 1; i < len(*s); i++ {
			// Ten prompts are read meanwhile.
			if gap := (*s)[i] - (*s)[i-1]; gap > 3*(e.pass(4)+e.piece(64)) {
				t.Errorf("token %d came after %v", i, gap)
			}
		}
	}
}

// Higher priorities go first. Waiting makes up for a lower one.
func TestPriorities(t *testing.T) {
	e := newSim(4096)
	c := simCore(e, Options{Active: 1, Aging: time.Minute})
	first := submit(t, c, Request{Tokens: words(0, 64), MaxTokens: 2})
	c.step()
	low := submit(t, c, Request{Tokens: words(1, 64), MaxTokens: 2, Priority: -1})
	mid := submit(t, c, Request{Tokens: words(2, 64), MaxTokens: 2})
	high := submit(t, c, Request{Tokens: words(3, 64), MaxTokens: 2, Priority: 1})
	drive(t, c)
	if a, b, d := high.Result().Done, mid.Result().Done, low.Result().Done; !(a < b && b < d) || first.Result().Preempted != 1 {
		t.Errorf("high %v, middle %v, low %v; the first made room %d times", a, b, d, first.Result().Preempted)
	}
	// Of a stream of higher ones, none keeps out one that waited for a minute.
	low = submit(t, c, Request{Tokens: words(1, 64), MaxTokens: 2})
	for n := 0; ; n++ {
		if len(c.tasks) < 3 {
			submit(t, c, Request{Tokens: words(uint64(n), 64), MaxTokens: 2, Priority: 1})
		}
		c.step()
		select {
		case <-low.Done():
			if d := low.Result().Done; d < time.Minute || d > 62*time.Second {
				t.Errorf("the low one took %v", d)
			}
			return
		default:
		}
		if n > 10000 {
			t.Fatal("a low priority starves")
		}
	}
}

// Where replies grow beyond the memory, the latest of the lowest priority makes
// room and comes back. The texts are those that each gives alone.
func TestPreemption(t *testing.T) {
	dir := t.TempDir()
	e := newSim(4096)
	page := e.limits.page()
	o := Options{Memory: 6*page + 3*e.limits.State, Dir: dir}
	c := simCore(e, o)
	var list []*Handle
	var reqs []Request
	for i := range 4 {
		reqs = append(reqs, Request{Tokens: words(uint64(i), 400), MaxTokens: 900, Priority: i % 2, Draft: "sim"})
		list = append(list, submit(t, c, reqs[i]))
	}
	drive(t, c)
	preempted := 0
	for i, h := range list {
		res := h.Result()
		preempted += res.Preempted
		if reqs[i].Priority > 0 && res.Preempted > 0 {
			t.Errorf("request %d made room for lower ones", i)
		}
		if res.Why != Limit || !slices.Equal(all(h), byItself(t, reqs[i])) {
			t.Errorf("request %d: %s, %d tokens, %v", i, res.Why, res.Generated, res.Err)
		}
	}
	if preempted == 0 {
		t.Error("nothing made room; the test is of no use")
	}
	if files(t, dir) != 0 || e.open != 0 || c.used != 0 {
		t.Errorf("%d files, %d sequences and %d bytes are left", files(t, dir), e.open, c.used)
	}
}

// byItself is a request's text alone, without draft, memory limit or prefixes.
func byItself(t *testing.T, r Request) []int32 {
	t.Helper()
	e := newSim(4096)
	c := simCore(e, Options{})
	r.Draft, r.Reuse = "", ReuseNone
	h := submit(t, c, r)
	drive(t, c)
	return all(h)
}

// A request that cannot fit is refused, and one that grows too large ends.
func TestTooLarge(t *testing.T) {
	e := newSim(4096)
	page := e.limits.page()
	c := simCore(e, Options{Memory: 2*page + e.limits.State, Dir: t.TempDir()})
	if _, err := c.submit(context.Background(), Request{Tokens: words(1, 1100)}); !isErr(err, ErrMemory) {
		t.Errorf("a prompt beyond the memory: %v", err)
	}
	a := submit(t, c, Request{Tokens: words(1, 400)})
	b := submit(t, c, Request{Tokens: words(2, 900), MaxTokens: 50})
	drive(t, c)
	if r := a.Result(); r.Why != Failed || !isErr(r.Err, ErrMemory) || r.Generated < 600 {
		t.Errorf("%s after %d tokens: %v", r.Why, r.Generated, r.Err)
	}
	if r := b.Result(); r.Why != Limit {
		t.Errorf("the one behind it: %s, %v", r.Why, r.Err)
	}
	all := submit(t, c, Request{Tokens: words(3, 1000)}) // it takes all memory from the first
	drive(t, c)
	if r := all.Result(); !isErr(r.Err, ErrMemory) || r.Generated < 20 {
		t.Errorf("%s after %d tokens: %v", r.Why, r.Generated, r.Err)
	}
}

// Cancelled requests end between passes wherever they stand, and give their
// memory back.
func TestCancel(t *testing.T) {
	e := newSim(4096)
	c := simCore(e, Options{Active: 3, Dir: t.TempDir()})
	var list []*Handle
	for i := range 6 {
		list = append(list, submit(t, c, Request{Tokens: words(uint64(i), 300), MaxTokens: 100}))
	}
	for range 5 {
		c.step()
	}
	for _, i := range []int{0, 1, 4} {
		list[i].Cancel()
	}
	c.step()
	for _, i := range []int{0, 1, 4} {
		select {
		case <-list[i].Done():
		default:
			t.Errorf("request %d goes on", i)
		}
		if r := list[i].Result(); r.Why != Cancelled {
			t.Errorf("request %d: %s", i, r.Why)
		}
	}
	drive(t, c)
	for _, i := range []int{2, 3, 5} {
		if r := list[i].Result(); r.Why != Limit || r.Generated != 100 {
			t.Errorf("request %d: %s after %d", i, r.Why, r.Generated)
		}
	}
	if e.open != 0 || c.used != 0 {
		t.Errorf("%d sequences and %d bytes are left", e.open, c.used)
	}
}

// A pass that fails ends its requests and no others.
func TestFailedPass(t *testing.T) {
	e := newSim(4096)
	c := simCore(e, Options{})
	a := submit(t, c, Request{Tokens: words(1, 64), MaxTokens: 100})
	for range 3 {
		c.step()
	}
	bad := fmt.Errorf("the device fell off")
	e.fail = func() error { e.fail = nil; return bad }
	c.step()
	b := submit(t, c, Request{Tokens: words(2, 64), MaxTokens: 10})
	drive(t, c)
	if r := a.Result(); r.Why != Failed || r.Err != bad {
		t.Errorf("%s: %v", r.Why, r.Err)
	}
	if r := b.Result(); r.Why != Limit || e.open != 0 {
		t.Errorf("%s: %v; %d sequences open", r.Why, r.Err, e.open)
	}
}

// One session serves one request at a time, in the order of arrival, and goes on
// only with its own text.
func TestSessions(t *testing.T) {
	dir := t.TempDir()
	e := newSim(4096)
	c := simCore(e, Options{Memory: 2*e.limits.State + 4*e.limits.page(), Dir: dir, Sessions: 3})
	first := Request{Tokens: words(1, 100), MaxTokens: 20, Session: "s"}
	a := submit(t, c, first)
	text := slices.Concat(first.Tokens, byItself(t, first), words(2, 30))
	b := submit(t, c, Request{Tokens: text, MaxTokens: 20, Session: "s", Priority: 5})
	drive(t, c)
	if a, b := a.Result(), b.Result(); b.Cached != 119 || a.Done > b.First {
		t.Errorf("%d tokens were kept; the first ended after %v, the second began after %v", b.Cached, a.Done, b.First)
	}
	edited := slices.Clone(append(text, words(3, 100)...))
	edited[50] ^= 1
	x := submit(t, c, Request{Tokens: edited, MaxTokens: 20, Session: "s"})
	drive(t, c)
	if x.Result().Cached != 0 || !slices.Equal(all(x), byItself(t, Request{Tokens: edited, MaxTokens: 20})) {
		t.Errorf("an edited text goes on behind %d tokens", x.Result().Cached)
	}
	// Sessions beyond the memory lie in files, those beyond their number end.
	for _, s := range []string{"u", "v", "w"} {
		submit(t, c, Request{Tokens: words(7, 400), MaxTokens: 90, Session: s})
		drive(t, c)
	}
	if len(c.sessions) != 3 || files(t, dir) != 1 || e.open != 2 {
		t.Errorf("%d sessions, %d files, %d open", len(c.sessions), files(t, dir), e.open)
	}
	text = slices.Concat(words(7, 400), byItself(t, Request{Tokens: words(7, 400), MaxTokens: 90}), words(8, 10))
	u := submit(t, c, Request{Tokens: text, MaxTokens: 9, Session: "u", Reuse: ReuseRead})
	drive(t, c)
	if u.Result().Cached != 489 {
		t.Errorf("from a file %d tokens came back", u.Result().Cached)
	}
	// A text that slid has the bits of the tokens that it kept.
	var last int
	for i, pin := range []int{32, 32, 64} {
		text = append(text, words(9, 100)...)
		h := submit(t, c, Request{Tokens: text, MaxTokens: 4000, Session: "p", Slide: true, Pin: pin})
		drive(t, c)
		text = append(text, all(h)...)
		if n := h.Result().Cached; (n > 0) != (i == 1) {
			t.Errorf("with %d pinned tokens %d are kept, %d of the text before", pin, n, last)
		}
		last = len(text)
	}
	if err := c.close(ErrClosed); err != nil || files(t, dir) != 0 || e.open != 0 || c.used != 0 {
		t.Errorf("%d files, %d open, %d bytes are left: %v", files(t, dir), e.open, c.used, err)
	}
}

// Rows are shared out for the most tokens in a pass's time.
func TestShare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		n := 1 + r.IntN(4)
		var gains [][]float64
		for range n {
			var list []float64
			for g := r.Float64(); len(list) < r.IntN(5); g *= r.Float64() {
				list = append(list, g)
			}
			gains = append(gains, list)
		}
		slope := r.Float64() / 2
		price := func(rows int) float64 { return 1 + slope*float64((rows+2)/3*3) } // in steps, as buckets are
		most := r.IntN(8)
		worth := func(rows []int) float64 {
			tokens, sum := float64(n), n
			for i, k := range rows {
				sum += k
				for _, g := range gains[i][:k] {
					tokens += g
				}
			}
			return tokens / price(sum)
		}
		got := share(gains, most, price)
		best := 0.0
		var try func(i, left int, rows []int)
		try = func(i, left int, rows []int) {
			if i == n {
				best = max(best, worth(rows))
				return
			}
			for k := 0; k <= min(left, len(gains[i])); k++ {
				rows[i] = k
				try(i+1, left-k, rows)
			}
		}
		try(0, most, make([]int, n))
		if w := worth(got); w < best-1e-12 {
			t.Fatalf("%v of %v, %d at most: %g tokens in the time of one, and %g can be", got, gains, most, w, best)
		}
	}
	if got := share([][]float64{{0.01, 0.9}, {0.5}}, 1, func(int) float64 { return 1 }); got[0] != 0 || got[1] != 1 {
		t.Errorf("%v: a row counts without the one before it", got)
	}
}
