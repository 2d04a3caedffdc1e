package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/quant"
)

const (
	ropeThreads = 128

	flashPositions = 64 // of a part on tensor cores, at least
	flashQueries   = 8
	flashBlocks    = 3 // a multiprocessor
)

// flashParts is how many parts there are at most on tensor cores; a test has fewer,
// which are longer.
var flashParts = gpu.PartsAtMost

// flashRings is, by the lanes of 8 dimensions, the warps of a block on tensor cores
// and the tiles of 16 rows, as many of keys as of values, in the ring of each.
var flashRings = map[int]struct{ warps, tiles int }{4: {4, 6}, 8: {4, 4}, 16: {4, 2}, 32: {2, 2}}

// cacheKinds numbers the types of caches as the kernels do.
var cacheKinds = map[quant.Type]int32{quant.F16: 0, quant.F32: 1, quant.Q8_0: 2}

func caches(h *backend.Heads, k, v *backend.State) (keys, values ref, err error) {
	if _, ok := cacheKinds[h.KVType]; !ok {
		return ref{}, ref{}, fmt.Errorf("%w: as %v on a GPU", backend.ErrKVType, h.KVType)
	}
	return gpu.Caches(h, k, v)
}

// cacheRows is [backend.State.Rows] of a cache.
func cacheRows(h *backend.Heads) func(from, to int) []backend.Span {
	if h.KVType == quant.Q8_0 {
		return int8Rows(h)
	}
	return h.Rows
}

// int8Rows is [backend.State.Rows] of a cache of Q8_0: int8, and after all of
// them the scales.
func int8Rows(h *backend.Heads) func(from, to int) []backend.Span {
	positions, width := gpu.CacheShape(h)
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

// RopeStore implements [gpu.Kernels].
func (pl *planner) RopeStore(n *backend.RopeStore) error {
	if err := gpu.OneValue(n); err != nil {
		return err
	}
	a := ropeArgs{
		freqs: gpu.Constant(pl.Planner, n.Freqs), params: pl.Block(),
		heads: int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), pairs: int32(len(n.Freqs)), kind: cacheKinds[n.KVType], halves: gpu.Bit(n.Halves),
		window: int32(n.Window),
	}
	a.q, a.stride = pl.Slice(n.Q)
	a.k, _ = pl.Slice(n.K)
	a.v, _ = pl.Slice(n.V)
	a.positions, a.width = gpu.CacheShape(&n.Heads)
	var err error
	if a.keys, a.values, err = caches(&n.Heads, n.KCache, n.VCache); err != nil {
		return err
	}
	if pl.P.Logged && n.KVType != quant.Q8_0 {
		pl.Launch("rope", [3]int{n.Heads.Heads + n.KVHeads, pl.Tokens, 1}, 64, a)
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
	if pl.Tokens > backend.MaxVerify {
		many.span = int32(gpu.Ceil(heads, side))
	}
	pl.Launch("rope_many", [3]int{gpu.Ceil(heads, side*int(many.span)), pl.Tokens, 1}, ropeThreads, many)
	return nil
}

// Attend implements [gpu.Kernels].
func (pl *planner) Attend(n *backend.Attend) error {
	a := attendArgs{
		params: pl.Block(),
		heads:  int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), window: int32(n.Window), scale: n.Factor(),
	}
	a.q, a.qStride = pl.Slice(n.Q)
	a.out, a.outStride = pl.Value(n.Out)
	a.positions, a.width = gpu.CacheShape(&n.Heads)
	var err error
	if a.keys, a.values, err = caches(&n.Heads, n.KCache, n.VCache); err != nil {
		return err
	}
	lanes, err := gpu.HeadLanes(n.Dim)
	if err != nil {
		return err
	}
	kernel := fmt.Sprintf("attend_%v_%d", n.KVType, lanes)
	blocks := pl.Tokens * gpu.Ceil(n.Heads.Heads/n.KVHeads, gpu.Queries)
	if w := int(a.width); !pl.P.Logged && pl.Chip.Level >= tensorCores && n.KVType != quant.F32 && (w == 32 || w == 64 || w == 128) {
		pl.Launch(fmt.Sprintf("prompt_attend_%v_%d", n.KVType, w), [3]int{gpu.Ceil(pl.Tokens, 64), n.Heads.Heads, 1}, 128, a)
		return nil
	}
	if !pl.P.Logged { // enough tokens to fill the card: no parts
		pl.Launch(kernel, [3]int{1, n.KVHeads, blocks}, 128, a)
		return nil
	}
	if pl.Chip.Level >= tensorCores && n.KVType == quant.F16 {
		pl.flashDecode(n, &a, lanes)
	} else {
		split, splits := gpu.Parts(&n.Heads, gpu.PartPositions, gpu.PartsAtMost)
		pl.parts(&a, split, splits)
		pl.Launch(kernel, [3]int{int(a.splits), n.KVHeads, blocks}, 128, a)
	}
	if n.Dim%32 == 0 {
		a.to, _ = pl.quantized(n.Out, false)
	}
	pl.Launch("merge", [3]int{n.Heads.Heads, pl.Tokens, 1}, 512, a)
	return nil
}

// parts splits attention into at most splits parts of at least split positions.
func (pl *planner) parts(a *attendArgs, split, splits int) {
	a.split, a.splits = int32(split), int32(splits)
	a.parts = pl.Reserve(areaParts, pl.Tokens*int(a.heads)*splits*(int(a.width)+2)*4)
}

// flashDecode is attention of a few tokens on tensor cores. Parts grow with a
// token's position, so that no more blocks are made than run at once. Those of a
// window stay as they are. A block has
// as many tokens as its queries allow, and blocks of the same part follow each
// other: they read the same rows.
func (pl *planner) flashDecode(n *backend.Attend, a *attendArgs, lanes int) {
	group, slots := n.Heads.Heads/n.KVHeads, 1
	for slots < min(group, flashQueries) {
		slots *= 2
	}
	chunks := gpu.Ceil(group, flashQueries)
	most := max(1, min(flashParts, flashBlocks*pl.Chip.Cores/(n.KVHeads*chunks)))
	split, splits := flashPositions, min(most, gpu.Ceil(n.Context, flashPositions))
	if n.Window > 0 {
		split, splits = gpu.Parts(&n.Heads, flashPositions, most)
	}
	pl.parts(a, split, splits)
	ring := flashRings[lanes]
	l := pl.Launch(fmt.Sprintf("flash_decode_%d", lanes), [3]int{gpu.Ceil(pl.Tokens, flashQueries/slots) * chunks, n.KVHeads, int(a.splits)}, ring.warps*32, *a)
	l.Shared = uint32(ring.warps * ring.tiles * 2 * 16 * (lanes*8 + 8) * 2)
}
