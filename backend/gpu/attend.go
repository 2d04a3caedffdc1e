package gpu

import (
	"fmt"

	"github.com/mil-run/mil/backend"
)

// Attention's parts: positions of one, and how many there are at most before
// they grow.
const (
	PartPositions = 128
	PartsAtMost   = 256
	Queries       = 4 // heads of queries that a block takes
	mostDim       = 256
)

// Parts is how attention of a few tokens is split: positions of a part, at least
// the given ones, and parts of a whole context, at most the given ones before they
// grow. Parts begin at multiples of their positions. Of a window they are those
// that a token's window touches, two at least.
func Parts(h *backend.Heads, least, most int) (split, splits int) {
	whole := func(n int) int { return max(least, Ceil(n, backend.CacheUnit)*backend.CacheUnit) }
	if h.Window > 0 {
		split = whole(Ceil(h.Window, max(1, most-1)))
		return split, (h.Window+split-2)/split + 1
	}
	split = whole(Ceil(h.Context, most))
	return split, Ceil(h.Context, split)
}

// HeadLanes is how many lanes of 8 dimensions hold a head: 4, 8, 16 or 32.
func HeadLanes(dim int) (int, error) {
	if dim > mostDim {
		return 0, fmt.Errorf("heads of %d dimensions (at most %d)", dim, mostDim)
	}
	return Double(4, Ceil(dim, 8)), nil
}

// CacheShape is how a cache lies: [kv_head][positions][width]. A ring's position p
// lies at p % positions.
func CacheShape(h *backend.Heads) (positions, width int32) {
	return int32(Ceil(h.Context, backend.CacheUnit) * backend.CacheUnit), int32(Ceil(h.Dim, 32) * 32)
}

// Caches are the memories of keys and values.
func Caches(h *backend.Heads, k, v *backend.State) (keys, values Ref, err error) {
	for _, s := range []*backend.State{k, v} {
		if s.Bytes < h.CacheBytes() {
			return Ref{}, Ref{}, fmt.Errorf("cache %s has %d bytes, %d are needed", s.Name, s.Bytes, h.CacheBytes())
		}
	}
	return OfState(k), OfState(v), nil
}

// OneValue checks that a rotation turns and stores parts of one value.
func OneValue(n *backend.RopeStore) error {
	if n.Q.V != n.K.V || n.K.V != n.V.V {
		return fmt.Errorf("queries, keys and values to rotate are parts of several values")
	}
	return nil
}

// SetLayouts says of the caches of a program how they lie, see [backend.State]:
// the name of the backend's layout, and the bytes of positions.
func SetLayouts(p *backend.Program, name string, rows func(*backend.Heads) func(from, to int) []backend.Span) {
	for _, n := range p.Nodes {
		var h *backend.Heads
		switch n := n.(type) {
		case *backend.RopeStore:
			h = &n.Heads
		case *backend.Attend:
			h = &n.Heads
		default:
			continue
		}
		for _, s := range n.States() {
			s.Layout, s.Rows = name+", "+h.KVType.String(), h.Ring(rows(h))
		}
	}
}
