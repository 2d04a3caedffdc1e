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
	// Window is how many positions a row attends to, its own and those before it;
	// 0 is all of them. With a window, positions are the text's (Pos+Shift), so that
	// old ones need not be dropped from the cache. It is then a ring: position p
	// lies at p % Context, and Context is a multiple of [RingUnit]. The ring must
	// hold a pass's rows and what its first row attends to.
	Window int
}

// RingUnit divides the number of positions of a ring. Blocks of positions that are
// summed together divide it, so that each lies in one piece of every ring.
const RingUnit = 512

// At is the position of a segment's first row in the cache's order.
func (h *Heads) At(s *Segment) int {
	if h.Window > 0 {
		return s.Pos + s.Shift
	}
	return s.Pos
}

// First is the first position that the row at position p attends to.
func (h *Heads) First(p int) int {
	if h.Window > 0 {
		return max(0, p-h.Window+1)
	}
	return 0
}

// fits says whether the cache can be what Window says.
func (h *Heads) fits() bool {
	return h.Window == 0 || h.Window > 0 && h.Context%RingUnit == 0 && h.Context >= h.Window
}

// Ring is [State.Rows] of a cache whose spans of positions below Context are given
// by rows. In a ring they go unit by unit, wherever it begins anew.
func (h Heads) Ring(rows func(from, to int) []Span) func(from, to int) []Span {
	if h.Window == 0 {
		return rows
	}
	return func(from, to int) (spans []Span) {
		for ; from < to; from += CacheUnit {
			at := from % h.Context
			for _, s := range rows(at, at+CacheUnit) {
				spans = AppendSpan(spans, s.Off, s.N)
			}
		}
		return spans
	}
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
