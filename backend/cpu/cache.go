package cpu

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/quant"
)

// cache is one layer's keys or values. Positions lie in blocks of kernel.Block,
// a block's heads one after the other, so that a head of a block is read from
// front to end and a short context touches little memory. A head of a block is
// strips of kernel.Strip columns: of keys [positions/32][dim][32], of values
// [dims/32][position][32], both counts rounded up. A strip of int8 is tiles,
// [dims/32] of keys, [positions/32] of values.
type cache struct {
	state    *backend.State
	layout   kernel.Layout
	values   bool
	kvHeads  int
	dim      int
	dims     int // dim rounded up to whole strips
	position int // Context rounded up to whole strips
	ring     int // blocks of a ring, or 0
}

func newCaches(h backend.Heads, k, v *backend.State) (keys, values *cache, err error) {
	if h.Dim > kernel.Block {
		return nil, nil, fmt.Errorf("heads of %d dimensions; attention takes up to %d", h.Dim, kernel.Block)
	}
	if keys, err = newCache(h, k, kernel.Int8Keys); err != nil {
		return nil, nil, err
	}
	if values, err = newCache(h, v, kernel.Int8Values); err != nil {
		return nil, nil, err
	}
	values.values = true
	keys.told(k, "keys", &h)
	values.told(v, "values", &h)
	return keys, values, nil
}

// newCache takes a state as a cache; int8 is its layout where that is stored.
func newCache(h backend.Heads, s *backend.State, int8 kernel.Layout) (*cache, error) {
	layout, ok := map[quant.Type]kernel.Layout{quant.F32: kernel.Float32, quant.F16: kernel.Float16, quant.Q8_0: int8}[h.KVType]
	if !ok {
		return nil, fmt.Errorf("%w: as %v", backend.ErrKVType, h.KVType)
	}
	if s.Bytes < h.CacheBytes() {
		return nil, fmt.Errorf("state %s holds %d bytes, %d are needed", s.Name, s.Bytes, h.CacheBytes())
	}
	c := &cache{state: s, layout: layout, kvHeads: h.KVHeads, dim: h.Dim, dims: roundUp(h.Dim), position: roundUp(h.Context)}
	if h.Window > 0 {
		c.ring = h.Context / kernel.Block
	}
	return c, nil
}

// told sets the fields of a state that tell where positions lie.
func (c *cache) told(s *backend.State, what string, h *backend.Heads) {
	s.Layout, s.Rows = fmt.Sprintf("cpu %s, %v", what, h.KVType), h.Ring(c.rows)
}

// rows is [backend.State.Rows]: block by block, and head by head in it.
func (c *cache) rows(from, to int) (spans []backend.Span) {
	for from < to {
		var s kernel.Strips
		b := from / kernel.Block
		first := b * kernel.Block
		lo, hi := from-first, min(c.position-first, kernel.Block, to-first)
		for head := range c.kvHeads {
			at, n := c.place(&s, b, head)
			if !c.values {
				spans = backend.AppendSpan(spans, at+lo/kernel.Strip*s.Size, (hi-lo)/kernel.Strip*s.Size)
				continue
			}
			for end := at + n; at < end; at += s.Size {
				spans = backend.AppendSpan(spans, at+c.layout.StripBytes(lo), c.layout.StripBytes(hi-lo))
			}
		}
		from = first + hi
	}
	return spans
}

func roundUp(n int) int { return (n + kernel.Strip - 1) / kernel.Strip * kernel.Strip }

// of is the cache's memory in a sequence.
func (c *cache) of(q *backend.Sequence) []byte { return host.State(q, c.state) }

// settle asks for large pages where the blocks before a position fill them. A
// ring's position may lie behind what it has stored, and its memory stays as it
// is.
func (c *cache) settle(q *backend.Sequence, pos int) {
	if c.state.Ring == 0 {
		strips := pos / kernel.Block * (kernel.Block / kernel.Strip) * c.kvHeads
		q.Buffer(c.state).(*host.Buffer).Settle(strips * c.layout.StripBytes(c.dims))
	}
}

// block sets s to one head of block b of the cache's memory in a sequence.
func (c *cache) block(s *kernel.Strips, data []byte, b, head int) {
	at, n := c.place(s, b, head)
	s.Data = data[at : at+n]
}

// place sets s to the form of one head of block b, which is n bytes from byte at
// on.
func (c *cache) place(s *kernel.Strips, b, head int) (at, bytes int) {
	if c.ring > 0 {
		b %= c.ring
	}
	n := min(kernel.Block, c.position-b*kernel.Block)
	columns, rows := n, c.dim // keys leave the space of the dimensions that fill a strip unused
	if c.values {
		columns, rows = c.dims, n
	}
	s.Layout, s.Next = c.layout, nil
	s.Size = c.layout.StripBytes(rows)
	at = (b*kernel.Block*c.kvHeads + head*n) / kernel.Strip * c.layout.StripBytes(c.dims)
	return at, columns / kernel.Strip * s.Size
}
