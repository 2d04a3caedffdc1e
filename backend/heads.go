package backend

import "github.com/mil-run/mil/quant"

// Heads is the geometry of grouped-query attention. Query head h reads
// key-value head h / (Heads/KVHeads).
type Heads struct {
	Heads, KVHeads, Dim int
	Context             int // positions the cache holds
	// KVType is the type of keys and values: F32, F16, or Q8_0. A block of Q8_0
	// is 32 dimensions of a head at one position, and the last block is filled
	// up with zeros. A backend that cannot keep a type says so with [ErrKVType]
	// when it compiles.
	KVType quant.Type
}

// CacheBytes is the size of one layer's keys, or of its values. Their layout is
// the backend's own. Context and Dim are rounded up to whole blocks of 32.
func (h *Heads) CacheBytes() int {
	s, ok := h.KVType.Spec()
	if !ok {
		panic("backend: a cache of " + h.KVType.String())
	}
	return (h.Context + 31) / 32 * 32 * h.KVHeads * s.RowBytes((h.Dim+31)/32*32)
}

// Rows is [State.Rows] of a cache that lies [kv_head][position][dim], both rounded
// up to blocks of 32.
func (h Heads) Rows(from, to int) (spans []Span) {
	positions := (h.Context + 31) / 32 * 32
	row := h.CacheBytes() / h.KVHeads / positions
	for head := range h.KVHeads {
		spans = AppendSpan(spans, (head*positions+from)*row, (to-from)*row)
	}
	return spans
}
