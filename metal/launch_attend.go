package metal

import (
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
)

// Attention's parts: positions of one, and how many there are at most before
// they grow.
const (
	partPositions = 128
	partsAtMost   = 256
	queries       = 4 // heads of queries a threadgroup takes
)

// cacheShape is how a cache lies: [kv_head][positions][width].
func cacheShape(h *backend.Heads) (positions, width int32) {
	return int32(ceil(h.Context, 32) * 32), int32(ceil(h.Dim, 32) * 32)
}

func caches(h *backend.Heads, k, v *backend.State) (keys, values ref, err error) {
	for _, s := range []*backend.State{k, v} {
		s.Layout, s.Rows = "metal, "+h.KVType.String(), h.Rows
		if s.Bytes < h.CacheBytes() {
			return ref{}, ref{}, fmt.Errorf("cache %s has %d bytes, %d are needed", s.Name, s.Bytes, h.CacheBytes())
		}
	}
	return state(k), state(v), nil
}

func (pl *planner) ropeStore(n *backend.RopeStore) error {
	if n.Q.V != n.K.V || n.K.V != n.V.V {
		return fmt.Errorf("queries, keys and values to rotate are parts of several values")
	}
	a := ropeArgs{heads: int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), pairs: int32(len(n.Freqs)), kind: int32(n.KVType)}
	a.positions, a.width = cacheShape(&n.Heads)
	keys, values, err := caches(&n.Heads, n.KCache, n.VCache)
	if err != nil {
		return err
	}
	freqs := unused
	if len(n.Freqs) > 0 {
		freqs = constant(pl, &n.Freqs[0], turns(n.Freqs))
	}
	q, stride := pl.slice(n.Q)
	k, _ := pl.slice(n.K)
	v, _ := pl.slice(n.V)
	a.stride = stride
	add(pl, "rope", [3]int{n.Heads.Heads + n.KVHeads, pl.tokens, 1}, 64, a, q, k, v, keys, values, freqs)
	return nil
}

func (pl *planner) attend(n *backend.Attend) error {
	a := attendArgs{heads: int32(n.Heads.Heads), kvHeads: int32(n.KVHeads), dim: int32(n.Dim), scale: float32(1 / math.Sqrt(float64(n.Dim)))}
	a.positions, a.width = cacheShape(&n.Heads)
	keys, values, err := caches(&n.Heads, n.KCache, n.VCache)
	if err != nil {
		return err
	}
	q, qStride := pl.slice(n.Q)
	out, outStride := pl.value(n.Out)
	a.qStride, a.outStride = qStride, outStride
	lanes := 4 // of 8 dimensions
	for lanes*8 < n.Dim {
		lanes *= 2
	}
	if lanes > 32 {
		return fmt.Errorf("heads of %d dimensions (at most 256)", n.Dim)
	}
	long := pl.tokens > backend.Verify
	if w := a.width; long && (w == 32 || w == 64 || w == 128) {
		add(pl, fmt.Sprintf("prompt_attend_%v_%d", n.KVType, w), [3]int{ceil(pl.tokens, 32), n.Heads.Heads, 1}, 128, a, q, keys, values, out)
		return nil
	}
	kernel := fmt.Sprintf("attend_%v_%d", n.KVType, lanes)
	blocks := pl.tokens * ceil(n.Heads.Heads/n.KVHeads, queries)
	if long { // enough tokens to fill the GPU: no parts
		add(pl, kernel, [3]int{1, n.KVHeads, blocks}, 128, a, q, keys, values, out, unused)
		return nil
	}
	split := max(partPositions, ceil(ceil(n.Context, partsAtMost), 32)*32)
	splits := ceil(n.Context, split)
	a.split, a.splits = int32(split), int32(splits)
	parts := pl.scratch(pl.tokens * n.Heads.Heads * splits * (int(a.width) + 2) * 4)
	add(pl, kernel, [3]int{splits, n.KVHeads, blocks}, 128, a, q, keys, values, out, parts)
	add(pl, "merge", [3]int{n.Heads.Heads, pl.tokens, 1}, 256, a, q, keys, values, out, parts)
	return nil
}
