package cpu

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu/kernel"
	"github.com/mil-run/mil/backend/host"
	"github.com/mil-run/mil/quant"
)

// cache is one layer's keys or values. Positions lie in blocks of kernel.Block,
// a block's heads one after the other, so that a head of a block is read from
// front to end and a short context touches little memory. A head of a block is
// strips of kernel.Strip columns: of keys [positions/32][dim][32], of values
// [dims/32][position][32], both counts rounded up.
type cache struct {
	data     []byte
	half     bool // float16 rather than float32
	size     int  // bytes of a value
	values   bool
	kvHeads  int
	dim      int
	dims     int // dim rounded up to whole strips
	position int // Context rounded up to whole strips
}

func newCaches(h backend.Heads, k, v *backend.State) (keys, values *cache, err error) {
	if h.Dim > kernel.Block {
		return nil, nil, fmt.Errorf("heads of %d dimensions; attention takes up to %d", h.Dim, kernel.Block)
	}
	if keys, err = newCache(h, k); err != nil {
		return nil, nil, err
	}
	if values, err = newCache(h, v); err != nil {
		return nil, nil, err
	}
	values.values = true
	return keys, values, nil
}

func newCache(h backend.Heads, s *backend.State) (*cache, error) {
	b, err := host.State(s)
	if err != nil {
		return nil, err
	}
	c := &cache{data: b, half: h.KVType == quant.F16, size: 4, kvHeads: h.KVHeads, dim: h.Dim, dims: roundUp(h.Dim), position: roundUp(h.Context)}
	if c.half {
		c.size = 2
	}
	if len(b) < h.CacheBytes() {
		return nil, fmt.Errorf("state %s holds %d bytes, %d are needed", s.Name, len(b), h.CacheBytes())
	}
	return c, nil
}

func roundUp(n int) int { return (n + kernel.Strip - 1) / kernel.Strip * kernel.Strip }

// block sets s to one head of block b.
func (c *cache) block(s *kernel.Strips, b, head int) {
	n := min(kernel.Block, c.position-b*kernel.Block)
	dims := c.dim // keys leave the space of the dimensions that fill a strip unused
	s.Size = kernel.Strip * c.dim * c.size
	if c.values {
		dims = c.dims
		s.Size = kernel.Strip * n * c.size
	}
	at := (b*kernel.Block*c.kvHeads + head*n) * c.dims * c.size
	s.Half, s.Data, s.Next = c.half, c.data[at:at+n*dims*c.size], nil
}
