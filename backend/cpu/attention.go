package cpu

import (
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/kernel"
)

// tileRows is about how many queries go through a block of the cache together:
// their scores stay in the second-level cache, and 12, 6 and 4 divide it.
const tileRows = 48

// tile is a thread's queries on their way through the cache. Rows are token by
// token, the query heads of one key-value head.
type tile struct {
	q, scores    []float32 // [rows][kernel.Stride]
	o            []float32 // [rows][dims]
	rows         []kernel.Query
	keys, values kernel.Strips
}

// partial is the results of blocks of the caches for the queries of a logged
// pass, of all heads, segment after segment.
type partial struct {
	rows []kernel.Query // [kv_head][block][row]
	o    []float32      // [kv_head][row][block][dims]
}

// attention is backend.Attend. A logged pass takes every block of a cache by
// itself, so that all threads work on one head, and puts the blocks' results
// together by rising position: a token's bits depend neither on the threads nor
// on the pass. A prompt's tiles of queries go from block to block and keep a
// running softmax.
type attention struct {
	e            *exec
	n            *backend.Attend
	keys, values *cache
	group        int // query heads of a key-value head
	step         int // tokens of a tile
	scale        float32

	// Set by a run for its workers.
	segments []attended
	now      *attended // of a prompt, whose segments go one after another
}

// attended is a segment of a pass and its caches.
type attended struct {
	stored
	block int // of the cache, the first that the segment's first token sees
	parts int // blocks from there on
	// at is where the segment's results begin in partial, by rows of queries. items
	// and merges are the ends of its units of work.
	at, items, merges int
}

func (e *exec) attend(n *backend.Attend) (func(*backend.Params), error) {
	keys, values, err := newCaches(n.Heads, n.KCache, n.VCache)
	if err != nil {
		return nil, err
	}
	a := &attention{e: e, n: n, keys: keys, values: values, group: n.Heads.Heads / n.KVHeads, scale: n.Factor()}
	a.step = max(1, tileRows/a.group)
	rows := a.step * a.group
	for _, t := range e.tiles {
		grow(&t.q, rows*kernel.Stride)
		grow(&t.scores, rows*kernel.Stride)
		grow(&t.o, rows*values.dims)
		if len(t.rows) < rows {
			t.rows = make([]kernel.Query, rows)
		}
	}
	if e.p.Logged { // room for one sequence that fills its context; company grows it
		all := min(e.p.Tokens, backend.MaxVerify) * n.Heads.Heads * mostParts(&n.Heads)
		a.room(all)
	}
	part, merge, prompt := a.part, a.merge, a.prompt
	return func(p *backend.Params) {
		merges := a.begin(p)
		if e.p.Logged {
			e.pool.each(a.segments[len(a.segments)-1].items, 1, part)
			if merges > 0 {
				e.pool.each(merges, a.group, merge)
			}
			return
		}
		for i := range a.segments {
			a.now = &a.segments[i]
			e.pool.each(n.KVHeads*((a.now.tokens+a.step-1)/a.step), 1, prompt)
		}
	}, nil
}

// mostParts is how many blocks the tokens of a segment see at most, of those that
// can be taken back.
func mostParts(h *backend.Heads) int {
	if h.Window == 0 {
		return (h.Context + kernel.Block - 1) / kernel.Block
	}
	return (h.Window+backend.MaxVerify+kernel.Block-4)/kernel.Block + 1
}

// begin lists a pass's segments and makes room for their results. It returns how
// many rows of queries have several blocks to put together.
func (a *attention) begin(p *backend.Params) (merges int) {
	e, n := a.e, a.n
	a.segments = a.segments[:0]
	at, items := 0, 0
	for first, s := range p.Each() {
		g := attended{stored: stored{first: first, tokens: s.N, pos: n.At(s), keys: a.keys.of(s.Seq), values: a.values.of(s.Seq)}, at: at}
		g.block = n.First(g.pos) / kernel.Block
		g.parts = (g.pos+s.N-1)/kernel.Block + 1 - g.block
		at += n.Heads.Heads * s.N * g.parts
		items += n.KVHeads * g.parts
		if g.parts > 1 {
			merges += n.Heads.Heads * s.N
		}
		g.items, g.merges = items, merges
		a.segments = append(a.segments, g)
	}
	if e.p.Logged {
		a.room(at)
	}
	return merges
}

// room makes room for the results of n rows of queries.
func (a *attention) room(n int) {
	p := &a.e.partial
	if len(p.rows) < n {
		p.rows = make([]kernel.Query, n+n/8)
	}
	if d := a.values.dims; len(p.o) < n*d {
		p.o = make([]float32, (n+n/8)*d)
	}
}

// part takes a logged pass's queries through blocks [lo, hi) of all heads' and
// segments'.
func (a *attention) part(thread, lo, hi int) {
	s, d := a.e.tiles[thread], a.values.dims
	i, begin := 0, 0
	for item := lo; item < hi; item++ {
		for item >= a.segments[i].items {
			begin = a.segments[i].items
			i++
		}
		g := &a.segments[i]
		R := g.tokens * a.group
		head, b := (item-begin)/g.parts, (item-begin)%g.parts
		for t := 0; t < g.tokens; t += a.step {
			n := min(a.step, g.tokens-t) * a.group
			a.load(s, g, head, t, n)
			rows := a.e.partial.rows[g.at+(item-begin)*R+t*a.group:][:n]
			o := a.e.partial.o[(g.at+(head*R+t*a.group)*g.parts+b)*d:]
			for i := range rows {
				rows[i] = kernel.Query{Max: float32(math.Inf(-1))}
			}
			a.block(thread, g, head, g.block+b, t, rows, o, g.parts*d, true)
		}
		if g.parts == 1 {
			for r := range R {
				a.join(thread, g, head, r)
			}
		}
	}
}

// merge puts the blocks of rows [lo, hi) together, of all heads' and of the
// segments that have several.
func (a *attention) merge(thread, lo, hi int) {
	i, begin := 0, 0
	for row := lo; row < hi; row++ {
		for row >= a.segments[i].merges {
			begin = a.segments[i].merges
			i++
		}
		g := &a.segments[i]
		R := g.tokens * a.group
		a.join(thread, g, (row-begin)/R, (row-begin)%R)
	}
}

// join puts the blocks of one row of a head together.
func (a *attention) join(thread int, g *attended, head, r int) {
	d, R := a.values.dims, g.tokens*a.group
	pos := g.pos + r/a.group
	first := a.n.First(pos)/kernel.Block - g.block // of the row
	o := a.e.partial.o[(g.at+(head*R+r)*g.parts+first)*d:]
	parts := pos/kernel.Block + 1 - g.block - first
	a.e.k.Merge(a.e.workers[thread], a.e.partial.rows[g.at+(head*g.parts+first)*R+r:], R, o, d, parts)
	copy(a.out(g, head, r/a.group, r), o)
}

// prompt takes tiles [lo, hi) of all heads' through the cache.
func (a *attention) prompt(thread, lo, hi int) {
	s, d, g := a.e.tiles[thread], a.values.dims, a.now
	tiles := (g.tokens + a.step - 1) / a.step
	for item := lo; item < hi; item++ {
		head, i := item/tiles, item%tiles/2
		if item%tiles%2 == 1 { // late tiles see more: early and late by turns even out the threads' work
			i = tiles - 1 - i
		}
		t := i * a.step
		rows := s.rows[:min(a.step, g.tokens-t)*a.group]
		for r := range rows {
			rows[r] = kernel.Query{Max: float32(math.Inf(-1))}
		}
		a.load(s, g, head, t, len(rows))
		last := g.pos + t + len(rows)/a.group - 1
		first := a.n.First(g.pos+t) / kernel.Block
		windowed := a.n.Window > 0 // rows see their first value in different blocks
		if windowed {
			clear(s.o[:len(rows)*d])
		}
		for b := first; b*kernel.Block <= last; b++ {
			a.block(thread, g, head, b, t, rows, s.o[:len(rows)*d], d, b == first && !windowed)
		}
		for r := range rows {
			o := s.o[r*d:]
			a.e.k.Merge(a.e.workers[thread], rows[r:], 1, o, d, 1)
			copy(a.out(g, head, t+r/a.group, r), o)
		}
	}
}

// load copies the queries of a segment's tokens from t on to the tile.
func (a *attention) load(s *tile, g *attended, head, t, rows int) {
	n := a.group * a.n.Dim
	for i := 0; i < rows; i += a.group {
		q := a.e.row(a.n.Q, g.first+t+i/a.group)[head*n : (head+1)*n]
		for j := range a.group {
			copy(s.q[(i+j)*kernel.Stride:], q[j*a.n.Dim:(j+1)*a.n.Dim])
		}
	}
}

// out is where the result of the query head of row r goes, of a segment's token t.
func (a *attention) out(g *attended, head, t, r int) []float32 {
	h := head*a.group + r%a.group
	return a.e.out(a.n.Out, g.first+t)[h*a.n.Dim : (h+1)*a.n.Dim]
}

// block takes the tile's queries, of a segment's tokens from t on, through one
// block. o holds their results, ld apart; fresh says that it holds none yet.
func (a *attention) block(thread int, g *attended, head, b, t int, rows []kernel.Query, o []float32, ld int, fresh bool) {
	few := a.e.p.Logged
	k, wk, s := a.e.k, a.e.workers[thread], a.e.tiles[thread]
	q, start := s.q, b*kernel.Block
	// Of the last block the first tokens may see nothing.
	if skip := (start - g.pos - t) * a.group; skip > 0 {
		if skip >= len(rows) {
			return
		}
		rows, o, q = rows[skip:], o[skip*ld:], q[skip*kernel.Stride:]
		t += skip / a.group
	}
	// Of the first block of a window the last tokens may see nothing.
	if a.n.Window > 0 {
		n := (start + kernel.Block + a.n.Window - 1 - g.pos - t) * a.group
		rows = rows[:max(0, min(n, len(rows)))]
	}
	if len(rows) == 0 {
		return
	}
	// Columns count from the strip in which the first token's window begins.
	start += max(0, a.n.First(g.pos+t)-start) / kernel.Strip * kernel.Strip
	end := (b + 1) * kernel.Block
	for i := range rows {
		rows[i].Seen = int32(min(end, g.pos+t+i/a.group+1) - start)
	}
	seen := int(rows[len(rows)-1].Seen)
	a.keys.block(&s.keys, g.keys, b, head)
	a.values.block(&s.values, g.values, b, head)
	if few { // streamed from memory, so the following bytes are fetched ahead
		s.keys.Next = s.values.Data
		s.values.Next = a.following(g, head, b)
	}
	s.keys.Data = s.keys.Data[(start-b*kernel.Block)/kernel.Strip*s.keys.Size:]
	k.Mul(wk, len(rows), q, a.n.Dim, &s.keys, (seen+kernel.Strip-1)/kernel.Strip, s.scores, kernel.Stride, nil)
	for i := range rows { // positions before a row's window weigh nothing
		before := s.scores[i*kernel.Stride:][:a.before(g, t+i/a.group, start)]
		for j := range before {
			before[j] = float32(math.Inf(-1))
		}
	}
	k.Softmax(wk, s.scores, rows, seen, a.scale)
	a.weigh(thread, g, t, start, start-b*kernel.Block, rows, o, ld, fresh)
}

// before is how many positions from start on lie before token t's window.
func (a *attention) before(g *attended, t, start int) int { return max(0, a.n.First(g.pos+t)-start) }

// weigh adds the block's values, of rows of the cache from first on, weighted by
// the scores.
func (a *attention) weigh(thread int, g *attended, t, start, first int, rows []kernel.Query, o []float32, ld int, fresh bool) {
	s, few := a.e.tiles[thread], a.e.p.Logged
	data := s.values.Data
	for i, j := 0, 0; i < len(rows); i = j {
		from := a.before(g, t+i/a.group, start)
		// A logged pass reads no value that a token does not see: it might be
		// infinite, and 0 times it not 0.
		for j = i; j < len(rows) && (!few || rows[j].Seen == rows[i].Seen && a.before(g, t+j/a.group, start) == from); {
			j++
		}
		if s.values.Layout == kernel.Int8Values { // whose scales are of whole strips
			from = from / kernel.Strip * kernel.Strip
		}
		before := rows[i:]
		if fresh {
			before = nil
		}
		s.values.Data = data[s.values.Layout.StripBytes(first+from):]
		a.e.k.Mul(a.e.workers[thread], j-i, s.scores[i*kernel.Stride+from:], int(rows[j-1].Seen)-from, &s.values, a.values.dims/kernel.Strip, o[i*ld:], ld, before)
	}
}

// following is the keys of the block that is read after one.
func (a *attention) following(g *attended, head, b int) []byte {
	if b++; b == g.block+g.parts {
		b, head = g.block, (head+1)%a.n.KVHeads
	}
	var s kernel.Strips
	a.keys.block(&s, g.keys, b, head)
	return s.Data
}
