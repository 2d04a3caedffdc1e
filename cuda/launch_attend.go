package cuda

import (
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Attention's parts: positions of one, and how many there are at most before
// they grow.
const (
	partPositions = 128
	partsAtMost   = 256
	queries       = 4 // heads of queries a block takes
	ropeThreads   = 128

	deepPositions = 64 // of a part on tensor cores, at least
	deepQueries   = 8
	deepBlocks    = 3 // a multiprocessor
)

// deepParts is how many parts there are at most on tensor cores; a test has fewer,
// which are longer.
var deepParts = partsAtMost

// deepRings is, by the lanes of 8 dimensions, the warps of a block on tensor cores
// and the tiles of 16 rows, as many of keys as of values, in the ring of each.
var deepRings = map[int]struct{ warps, tiles int }{4: {4, 6}, 8: {4, 4}, 16: {4, 2}, 32: {2, 2}}

// cacheShape is how a cache lies: [kv_head][positions][width].
func cacheShape(h *backend.Heads) (positions, width int32) {
	return int32(ceil(h.Context, 32) * 32), int32(ceil(h.Dim, 32) * 32)
}

// cacheKinds numbers the types of caches as the kernels do.
var cacheKinds = map[quant.Type]int32{quant.F16: 0, quant.F32: 1, quant.Q8_0: 2}

func (pl *planner) caches(h *backend.Heads, k, v *backend.State) (keys, values uint64, err error) {
	if _, ok := cacheKinds[h.KVType]; !ok {
		return 0, 0, fmt.Errorf("%w: as %v on a GPU; use --kv f16 or --backend cpu", backend.ErrKVType, h.KVType)
	}
	for _, s := range []*backend.State{k, v} {
		s.Layout, s.Rows = "cuda, "+h.KVType.String(), h.Rows
		if h.KVType == quant.Q8_0 {
			s.Rows = int8Rows(h)
		}
		if s.Bytes < h.CacheBytes() {
			return 0, 0, fmt.Errorf("cache %s has %d bytes, %d are needed", s.Name, s.Bytes, h.CacheBytes())
		}
	}
	if keys, err = pl.state(k); err != nil {
		return 0, 0, err
	}
	values, err = pl.state(v)
	return keys, values, err
}

// int8Rows is [backend.State.Rows] of a cache of Q8_0: int8, and after all of
// them the scales.
func int8Rows(h *backend.Heads) func(from, to int) []backend.Span {
	positions, width := cacheShape(h)
	heads, all, row, scales := h.KVHeads, int(positions), int(width), int(width)/32*2
	return func(from, to int) (spans []backend.Span) {
		for head := range heads {
			spans = backend.AppendSpan(spans, (head*all+from)*row, (to-from)*row)
		}
		for head := range heads {
			spans = backend.AppendSpan(spans, heads*all*row+(head*all+from)*scales, (to-from)*scales)
		}
		return spans
	}
}

func (pl *planner) ropeStore(n *backend.RopeStore) error {
	if n.Q.V != n.K.V || n.K.V != n.V.V {
		return fmt.Errorf("queries, keys and values to rotate are parts of several values")
	}
	a := ropeArgs{
		freqs: constantOf(pl, n.Freqs), params: pl.params(),
		heads: int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), pairs: int32(len(n.Freqs)), wide: cacheKinds[n.KVType],
	}
	a.q, a.stride = pl.slice(n.Q)
	a.k, _ = pl.slice(n.K)
	a.v, _ = pl.slice(n.V)
	a.positions, a.width = cacheShape(&n.Heads)
	var err error
	if a.keys, a.values, err = pl.caches(&n.Heads, n.KCache, n.VCache); err != nil {
		return err
	}
	if pl.tokens <= backend.Verify && n.KVType != quant.Q8_0 {
		add(pl, "rope", [3]int{n.Heads.Heads + n.KVHeads, pl.tokens, 1}, 64, a)
		return nil
	}
	// A few tokens spread over as many blocks as they can, many share angles.
	many := ropeManyArgs{rope: a, lanes: 16, span: 1}
	for many.lanes*2 < a.width {
		many.lanes *= 2
	}
	if many.lanes > ropeThreads {
		return fmt.Errorf("heads of %d dimensions (at most 256)", n.Dim)
	}
	side, heads := int(ropeThreads/many.lanes), n.Heads.Heads+2*n.KVHeads
	if pl.tokens > backend.Verify {
		many.span = int32(ceil(heads, side))
	}
	add(pl, "rope_many", [3]int{ceil(heads, side*int(many.span)), pl.tokens, 1}, ropeThreads, many)
	return nil
}

func (pl *planner) attend(n *backend.Attend) error {
	a := attendArgs{
		out: pl.value(n.Out), outStride: int32(pl.p.Widths[n.Out]), params: pl.params(),
		heads: int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), scale: float32(1 / math.Sqrt(float64(n.Dim))),
	}
	a.q, a.qStride = pl.slice(n.Q)
	a.positions, a.width = cacheShape(&n.Heads)
	var err error
	if a.keys, a.values, err = pl.caches(&n.Heads, n.KCache, n.VCache); err != nil {
		return err
	}
	lanes := 4 // of 8 dimensions
	for lanes*8 < n.Dim {
		lanes *= 2
	}
	if lanes > 32 {
		return fmt.Errorf("heads of %d dimensions (at most 256)", n.Dim)
	}
	kernel := fmt.Sprintf("attend_%v_%d", n.KVType, lanes)
	blocks := pl.tokens * ceil(n.Heads.Heads/n.KVHeads, queries)
	if w := int(a.width); pl.tokens > backend.Verify && pl.capability() >= tensorCores && n.KVType != quant.F32 && (w == 32 || w == 64 || w == 128) {
		add(pl, fmt.Sprintf("prompt_attend_%v_%d", n.KVType, w), [3]int{ceil(pl.tokens, 64), n.Heads.Heads, 1}, 128, a)
		return nil
	}
	if pl.tokens > backend.Verify { // enough tokens to fill the card: no parts
		add(pl, kernel, [3]int{1, n.KVHeads, blocks}, 128, a)
		return nil
	}
	if pl.capability() >= tensorCores && n.KVType == quant.F16 {
		pl.deepAttend(n, &a, lanes)
	} else {
		split := max(partPositions, ceil(ceil(n.Context, partsAtMost), 32)*32)
		pl.parts(&a, split, ceil(n.Context, split))
		add(pl, kernel, [3]int{int(a.splits), n.KVHeads, blocks}, 128, a)
	}
	if n.Dim%32 == 0 {
		a.to, _ = pl.quantized(n.Out, false)
	}
	add(pl, "merge", [3]int{n.Heads.Heads, pl.tokens, 1}, 512, a)
	return nil
}

// parts splits attention into at most splits parts of at least split positions.
func (pl *planner) parts(a *attendArgs, split, splits int) {
	a.split, a.splits = int32(split), int32(splits)
	a.parts = pl.area(areaParts, pl.tokens*int(a.heads)*splits*(int(a.width)+2)*4)
}

// deepAttend is attention of a few tokens on tensor cores. Parts grow with a
// token's position, so that its blocks are at most what runs at once. A block has
// as many tokens as its queries allow, and blocks of the same part follow each
// other: they read the same rows.
func (pl *planner) deepAttend(n *backend.Attend, a *attendArgs, lanes int) {
	group, slots := n.Heads.Heads/n.KVHeads, 1
	for slots < min(group, deepQueries) {
		slots *= 2
	}
	chunks := ceil(group, deepQueries)
	most := max(1, min(deepParts, deepBlocks*pl.processors()/(n.KVHeads*chunks)))
	pl.parts(a, deepPositions, min(most, ceil(n.Context, deepPositions)))
	ring := deepRings[lanes]
	add(pl, fmt.Sprintf("deep_attend_%d", lanes), [3]int{ceil(pl.tokens, deepQueries/slots) * chunks, n.KVHeads, int(a.splits)}, ring.warps*32, *a)
	pl.launches[len(pl.launches)-1].shared = uint32(ring.warps * ring.tiles * 2 * 16 * (lanes*8 + 8) * 2)
}
