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

// partial is the results of blocks of the cache for the queries of a short
// pass, of all heads.
type partial struct {
	rows []kernel.Query // [kv_head][block][row]
	o    []float32      // [kv_head][row][block][dims]
}

// attention is backend.Attend. A short pass takes every block of the cache by
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
	pos, tokens int
	first       int // block that the first token sees
	parts       int // blocks
	few         bool
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
	all := min(e.p.Tokens, backend.MaxVerify) * n.Heads.Heads * mostParts(&n.Heads)
	grow(&e.partial.o, all*values.dims)
	if len(e.partial.rows) < all {
		e.partial.rows = make([]kernel.Query, all)
	}
	part, merge, prompt := a.part, a.merge, a.prompt
	return func(p *backend.Params) {
		a.pos, a.tokens = n.At(p), len(p.Tokens)
		a.first = n.First(a.pos) / kernel.Block
		a.parts = (a.pos+a.tokens-1)/kernel.Block + 1 - a.first
		a.few = a.tokens <= backend.MaxVerify
		if a.few {
			e.pool.each(n.KVHeads*a.parts, 1, part)
			if a.parts > 1 {
				e.pool.each(n.KVHeads*a.tokens*a.group, a.group, merge)
			}
			return
		}
		e.pool.each(n.KVHeads*((a.tokens+a.step-1)/a.step), 1, prompt)
	}, nil
}

// mostParts is how many blocks the tokens of a short pass see at most.
func mostParts(h *backend.Heads) int {
	if h.Window == 0 {
		return (h.Context + kernel.Block - 1) / kernel.Block
	}
	return (h.Window+backend.MaxVerify+kernel.Block-4)/kernel.Block + 1
}

// part takes a short pass's queries through blocks [lo, hi) of all heads'.
func (a *attention) part(thread, lo, hi int) {
	s, d := a.e.tiles[thread], a.values.dims
	R := a.tokens * a.group
	for item := lo; item < hi; item++ {
		head, b := item/a.parts, item%a.parts
		for t := 0; t < a.tokens; t += a.step {
			n := min(a.step, a.tokens-t) * a.group
			a.load(s, head, t, n)
			rows := a.e.partial.rows[item*R+t*a.group:][:n]
			o := a.e.partial.o[((head*R+t*a.group)*a.parts+b)*d:]
			for i := range rows {
				rows[i] = kernel.Query{Max: float32(math.Inf(-1))}
			}
			a.block(thread, head, a.first+b, t, rows, o, a.parts*d, true)
		}
		if a.parts == 1 {
			a.merge(thread, item*R, (item+1)*R)
		}
	}
}

// merge puts the blocks of rows [lo, hi) of all heads' together.
func (a *attention) merge(thread, lo, hi int) {
	d, R := a.values.dims, a.tokens*a.group
	for i := lo; i < hi; i++ {
		head, r := i/R, i%R
		pos := a.pos + r/a.group
		first := a.n.First(pos)/kernel.Block - a.first // of the row
		o := a.e.partial.o[(i*a.parts+first)*d:]
		parts := pos/kernel.Block + 1 - a.first - first
		a.e.k.Merge(a.e.workers[thread], a.e.partial.rows[(head*a.parts+first)*R+r:], R, o, d, parts)
		copy(a.out(head, r/a.group, r), o)
	}
}

// prompt takes tiles [lo, hi) of all heads' through the cache.
func (a *attention) prompt(thread, lo, hi int) {
	s, d := a.e.tiles[thread], a.values.dims
	tiles := (a.tokens + a.step - 1) / a.step
	for item := lo; item < hi; item++ {
		head, i := item/tiles, item%tiles/2
		if item%tiles%2 == 1 { // late tiles see more: early and late by turns even out the threads' work
			i = tiles - 1 - i
		}
		t := i * a.step
		rows := s.rows[:min(a.step, a.tokens-t)*a.group]
		for r := range rows {
			rows[r] = kernel.Query{Max: float32(math.Inf(-1))}
		}
		a.load(s, head, t, len(rows))
		last := a.pos + t + len(rows)/a.group - 1
		first := a.n.First(a.pos+t) / kernel.Block
		windowed := a.n.Window > 0 // rows see their first value in different blocks
		if windowed {
			clear(s.o[:len(rows)*d])
		}
		for b := first; b*kernel.Block <= last; b++ {
			a.block(thread, head, b, t, rows, s.o[:len(rows)*d], d, b == first && !windowed)
		}
		for r := range rows {
			o := s.o[r*d:]
			a.e.k.Merge(a.e.workers[thread], rows[r:], 1, o, d, 1)
			copy(a.out(head, t+r/a.group, r), o)
		}
	}
}

// load copies the queries of tokens from t to the tile.
func (a *attention) load(s *tile, head, t, rows int) {
	n := a.group * a.n.Dim
	for i := 0; i < rows; i += a.group {
		q := a.e.row(a.n.Q, t+i/a.group)[head*n : (head+1)*n]
		for j := range a.group {
			copy(s.q[(i+j)*kernel.Stride:], q[j*a.n.Dim:(j+1)*a.n.Dim])
		}
	}
}

// out is where the result of the query head of row r goes.
func (a *attention) out(head, t, r int) []float32 {
	h := head*a.group + r%a.group
	return a.e.out(a.n.Out, t)[h*a.n.Dim : (h+1)*a.n.Dim]
}

// block takes the tile's queries, of tokens from t, through one block. o holds
// their results, ld apart; fresh says that it holds none yet.
func (a *attention) block(thread, head, b, t int, rows []kernel.Query, o []float32, ld int, fresh bool) {
	k, wk, s := a.e.k, a.e.workers[thread], a.e.tiles[thread]
	q, start := s.q, b*kernel.Block
	// Of the last block the first tokens may see nothing.
	if skip := (start - a.pos - t) * a.group; skip > 0 {
		if skip >= len(rows) {
			return
		}
		rows, o, q = rows[skip:], o[skip*ld:], q[skip*kernel.Stride:]
		t += skip / a.group
	}
	// Of the first block of a window the last tokens may see nothing.
	if a.n.Window > 0 {
		n := (start + kernel.Block + a.n.Window - 1 - a.pos - t) * a.group
		rows = rows[:max(0, min(n, len(rows)))]
	}
	if len(rows) == 0 {
		return
	}
	// Columns count from the strip in which the first token's window begins.
	start += max(0, a.n.First(a.pos+t)-start) / kernel.Strip * kernel.Strip
	end := (b + 1) * kernel.Block
	for i := range rows {
		rows[i].Seen = int32(min(end, a.pos+t+i/a.group+1) - start)
	}
	seen := int(rows[len(rows)-1].Seen)
	a.keys.block(&s.keys, b, head)
	a.values.block(&s.values, b, head)
	if a.few { // streamed from memory, so the following bytes are fetched ahead
		s.keys.Next = s.values.Data
		s.values.Next = a.following(head, b)
	}
	s.keys.Data = s.keys.Data[(start-b*kernel.Block)/kernel.Strip*s.keys.Size:]
	k.Mul(wk, len(rows), q, a.n.Dim, &s.keys, (seen+kernel.Strip-1)/kernel.Strip, s.scores, kernel.Stride, nil)
	for i := range rows { // positions before a row's window weigh nothing
		before := s.scores[i*kernel.Stride:][:a.before(t+i/a.group, start)]
		for j := range before {
			before[j] = float32(math.Inf(-1))
		}
	}
	k.Softmax(wk, s.scores, rows, seen, a.scale)
	a.weigh(thread, t, start, start-b*kernel.Block, rows, o, ld, fresh)
}

// before is how many positions from start on lie before token t's window.
func (a *attention) before(t, start int) int { return max(0, a.n.First(a.pos+t)-start) }

// weigh adds the block's values, of rows of the cache from first on, weighted by
// the scores.
func (a *attention) weigh(thread, t, start, first int, rows []kernel.Query, o []float32, ld int, fresh bool) {
	s := a.e.tiles[thread]
	data := s.values.Data
	for i, j := 0, 0; i < len(rows); i = j {
		from := a.before(t+i/a.group, start)
		// A short pass reads no value that a token does not see: it might be
		// infinite, and 0 times it not 0.
		for j = i; j < len(rows) && (!a.few || rows[j].Seen == rows[i].Seen && a.before(t+j/a.group, start) == from); {
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
func (a *attention) following(head, b int) []byte {
	if b++; b == a.first+a.parts {
		b, head = a.first, (head+1)%a.n.KVHeads
	}
	var s kernel.Strips
	a.keys.block(&s, b, head)
	return s.Data
}
