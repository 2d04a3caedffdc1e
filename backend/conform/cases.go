package conform

import (
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// mixed is single tokens, a few, many, and going back between them.
var mixed = []Pass{{1, 0}, {4, 1}, {3, 2}, {37, 3}, {2, 0}, {16, 1}, {1, 9}, {100, 1}, {1, 0}}

// few is one of each kind.
var few = []Pass{{1, 0}, {5, 1}, {37, 3}}

// Cases is the whole table.
func Cases() []Case {
	var c cases
	c.products()
	c.attentions()
	c.windows()
	c.convolutions()
	c.scans1()
	c.scans2()
	c.convScans()
	c.plainScans()
	c.scanProducts()
	c.deltas()
	c.reorders()
	return append(append(c, rotations()...), finishes()...)
}

type cases []Case

func (c *cases) add(name string, width int, passes []Pass, quantized bool, record func(b *builder) backend.Value) {
	*c = append(*c, Case{Name: name, Passes: passes, Quantized: quantized, width: width, record: record})
}

// products are of every type of weights.
func (c *cases) products() {
	for _, t := range quant.Types() {
		spec, _ := t.Spec()
		float := spec.Block == 1
		for _, shape := range [][2]int{{1, 256}, {33, 512}, {130, 768}, {67, 96}, {5, 40}, {19, 7}} {
			rows, cols := shape[0], shape[1]
			if cols%spec.Block != 0 {
				continue
			}
			c.add(fmt.Sprintf("matmul %s %dx%d", spec.Name, rows, cols), cols, mixed, !float, func(b *builder) backend.Value {
				return b.MatMul(b.All(b.x), nil, backend.None, b.matrix(t, rows, cols))
			})
		}
		c.add("matmul, norm, residual "+spec.Name, 256, mixed, !float, func(b *builder) backend.Value {
			y := b.MatMul(b.All(b.x), b.norm(256), b.x, b.matrix(t, 256, 256))
			return b.MatMul(b.Cut(y, 0, 256), b.norm(256), backend.None, b.matrix(t, 33, 256), b.matrix(quant.F32, 7, 256), b.matrix(t, 64, 256))
		})
		if t == quant.F32 || t == quant.Q8_0 {
			c.add("matmul of a part, norm "+spec.Name, 263, few, !float, func(b *builder) backend.Value {
				return b.MatMul(b.Cut(b.x, 3, 256), b.norm(256), backend.None, b.matrix(t, 33, 256))
			})
		}
		c.add("gate and up "+spec.Name, 256, mixed, !float, func(b *builder) backend.Value {
			return b.GateUp(b.All(b.x), b.norm(256), b.matrix(t, 71, 256), b.matrix(t, 71, 256))
		})
		c.add("embedding "+spec.Name, 256, few, false, func(b *builder) backend.Value {
			return b.Embed(b.matrix(t, inputs, 256))
		})
		c.add("logits of some, norm "+spec.Name, 256, few, !float, func(b *builder) backend.Value { return b.x })
		(*c)[len(*c)-1].head = func(b *builder, y backend.Value) { b.Logits(b.All(y), b.norm(256), b.matrix(t, 70, 256)) }
		c.add("matmul of 200 tokens "+spec.Name, 256, []Pass{{200, 0}}, !float, func(b *builder) backend.Value {
			return b.MatMul(b.All(b.x), b.norm(256), backend.None, b.matrix(t, 300, 256), b.matrix(t, 21, 256))
		})
		c.add("gate and up of 200 tokens "+spec.Name, 256, []Pass{{200, 0}}, !float, func(b *builder) backend.Value {
			return b.GateUp(b.All(b.x), nil, b.matrix(t, 151, 256), b.matrix(t, 151, 256))
		})
	}
	c.add("gate and up of two types", 256, mixed, true, func(b *builder) backend.Value {
		return b.GateUp(b.All(b.x), b.norm(256), b.matrix(quant.Q4_K, 71, 256), b.matrix(quant.Q6_K, 71, 256))
	})
}

// attentions are over every type of KV cache.
func (c *cases) attentions() {
	for _, h := range []backend.Heads{
		{Heads: 4, KVHeads: 2, Dim: 64}, {Heads: 6, KVHeads: 1, Dim: 32}, {Heads: 3, KVHeads: 3, Dim: 20}, {Heads: 8, KVHeads: 2, Dim: 128},
		{Heads: 2, KVHeads: 1, Dim: 80}, {Heads: 2, KVHeads: 1, Dim: 200},
	} {
		passes := []Pass{{1, 0}, {5, 1}, {16, 2}, {150, 7}, {1, 0}, {9, 1}, {130, 4}, {16, 0}}
		if h.Heads == 2 { // for widths that have no kernels of their own, a few do
			passes = []Pass{{9, 0}, {140, 4}, {3, 0}}
		}
		for _, kv := range []quant.Type{quant.F16, quant.F32, quant.Q8_0} {
			h := h
			h.KVType, h.Context = kv, 401
			c.add(fmt.Sprintf("attention %d/%d heads of %d, %v", h.Heads, h.KVHeads, h.Dim, kv), (h.Heads+2*h.KVHeads)*h.Dim,
				passes, false, func(b *builder) backend.Value { return attention(b, turned{Heads: h, dims: h.Dim}) })
		}
	}
}

// windows are attention to the last positions over rings, which the passes go
// around: a window within a block, one across blocks, one of a single position.
func (c *cases) windows() {
	for _, h := range []backend.Heads{
		{Heads: 4, KVHeads: 2, Dim: 64, Window: 40, Context: backend.RingUnit}, {Heads: 8, KVHeads: 2, Dim: 128, Window: 600, Context: 2 * backend.RingUnit},
		{Heads: 6, KVHeads: 1, Dim: 32, Window: 1, Context: backend.RingUnit}, {Heads: 3, KVHeads: 3, Dim: 20, Window: 300, Context: backend.RingUnit},
		{Heads: 2, KVHeads: 1, Dim: 80, Window: 33, Context: backend.RingUnit}, {Heads: 2, KVHeads: 1, Dim: 200, Window: 129, Context: backend.RingUnit},
	} {
		passes := []Pass{{1, 0}, {5, 1}, {150, 2}, {16, 0}, {16, 13}, {200, 16}, {9, 0}, {200, 9}, {200, 0}, {3, 0}, {16, 3}, {200, 5}, {200, 0}, {1, 0}, {130, 1}, {16, 0}}
		for _, kv := range []quant.Type{quant.F16, quant.F32, quant.Q8_0} {
			h := h
			h.KVType = kv
			c.add(fmt.Sprintf("attention %d/%d heads of %d, %v, window of %d", h.Heads, h.KVHeads, h.Dim, kv, h.Window), (h.Heads+2*h.KVHeads)*h.Dim,
				passes, false, func(b *builder) backend.Value { return attention(b, turned{Heads: h, dims: h.Dim}) })
			(*c)[len(*c)-1].slides = true
		}
	}
}

// turned is attention with a rotation.
type turned struct {
	backend.Heads
	dims   int // of a head that are turned
	halves bool
	scale  float32
}

// attention is rotation, cache and attention over q|k|v.
func attention(b *builder, h turned) backend.Value {
	q, kv := h.Heads.Heads*h.Dim, h.KVHeads*h.Dim
	k, v := b.memory("k", backend.StateKV, h.CacheBytes()), b.memory("v", backend.StateKV, h.CacheBytes())
	freqs := make([]float64, h.dims/2)
	for i := range freqs {
		freqs[i] = math.Pow(10000, -2*float64(i)/float64(h.dims))
	}
	// Only values that nodes write may be rotated in place.
	x := b.MatMul(b.All(b.x), nil, backend.None, b.w.tensor(quant.F32, q+2*kv, q+2*kv, func(i int) float32 {
		if i/(q+2*kv) == i%(q+2*kv) {
			return 1
		}
		return 0
	}))
	b.RopeStore(&backend.RopeStore{Heads: h.Heads, Halves: h.halves, Q: b.Cut(x, 0, q), K: b.Cut(x, q, kv), V: b.Cut(x, q+kv, kv), Freqs: freqs, KCache: k, VCache: v})
	return b.Attend(&backend.Attend{Heads: h.Heads, Q: b.Cut(x, 0, q), KCache: k, VCache: v, Scale: h.scale})
}
