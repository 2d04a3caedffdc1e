package conform

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// rotations are cases of attention that turns other pairs, or not all of a head,
// or scales scores by another number.
func rotations() (out []Case) {
	passes := []Pass{{1, 0}, {5, 1}, {16, 2}, {150, 7}, {1, 0}, {9, 1}}
	for _, h := range []turned{
		{Heads: backend.Heads{Heads: 4, KVHeads: 2, Dim: 64}, dims: 64, halves: true},
		{Heads: backend.Heads{Heads: 2, KVHeads: 1, Dim: 128}, dims: 128, halves: true, scale: 0.02},
		{Heads: backend.Heads{Heads: 2, KVHeads: 1, Dim: 24}, dims: 24, halves: true},
		{Heads: backend.Heads{Heads: 3, KVHeads: 3, Dim: 40}, dims: 20, halves: true},
		{Heads: backend.Heads{Heads: 4, KVHeads: 2, Dim: 64}, dims: 32, scale: 0.3},
		{Heads: backend.Heads{Heads: 4, KVHeads: 2, Dim: 32}},
	} {
		for _, kv := range []quant.Type{quant.F16, quant.F32, quant.Q8_0} {
			h := h
			h.KVType, h.Context = kv, 401
			out = append(out, Case{Name: fmt.Sprintf("attention %d/%d heads of %d, %d turned, halves %t, scale %g, %v", h.Heads.Heads, h.KVHeads, h.Dim, h.dims, h.halves, h.scale, kv),
				Passes: passes, width: (h.Heads.Heads + 2*h.KVHeads) * h.Dim, record: func(b *builder) backend.Value { return attention(b, h) }})
		}
	}
	return out
}

// finishes are cases of backend.Finish.
func finishes() (out []Case) {
	add := func(name string, width int, record func(b *builder)) {
		out = append(out, Case{Name: "finish, " + name, Passes: mixed, width: width, record: func(b *builder) backend.Value { record(b); return b.x }})
	}
	weight := func(b *builder, n int) *backend.Tensor { return b.norm(n).Weight }
	add("biases", 77, func(b *builder) { b.Finish(backend.Part{X: b.All(b.x), Bias: b.vector(77, b.w.normal(1))}) })
	add("parts with biases and norms of heads", 4*24+700, func(b *builder) {
		b.Finish(
			backend.Part{X: b.Cut(b.x, 0, 48), Bias: b.vector(48, b.w.normal(1)), Norm: &backend.HeadNorm{Weight: weight(b, 24), Dim: 24, Eps: 1e-5}},
			backend.Part{X: b.Cut(b.x, 48, 24), Norm: &backend.HeadNorm{Weight: weight(b, 24), Dim: 24, Eps: 1e-6}},
			backend.Part{X: b.Cut(b.x, 96, 700), Bias: b.vector(700, b.w.normal(1)), Scale: -0.7})
	})
	add("norms without weights", 8+16+16+5, func(b *builder) {
		part := func(at, n int) backend.Part {
			return backend.Part{X: b.Cut(b.x, at, n), Norm: &backend.HeadNorm{Dim: n, Eps: 1e-2}}
		}
		b.Finish(part(0, 8), part(8, 16), part(24, 16), part(40, 4), part(44, 1))
	})
	add("a norm of all channels, scaled", 1000, func(b *builder) {
		b.Finish(backend.Part{X: b.All(b.x), Norm: &backend.HeadNorm{Weight: weight(b, 1000), Dim: 1000, Eps: 1e-5}, Scale: 0.125})
	})
	add("a floor under what a bias is added to", 70, func(b *builder) {
		b.Finish(backend.Part{X: b.Cut(b.x, 3, 60), Bias: b.vector(60, b.w.normal(1)), F: backend.Floor, Least: -0.2})
	})
	add("squared ReLU", 600, func(b *builder) { b.Finish(backend.Part{X: b.All(b.x), F: backend.ReLU2}) })
	add("SiLU, times others", 1100, func(b *builder) {
		b.Finish(backend.Part{X: b.All(b.x), Bias: b.vector(1100, b.w.normal(1))})
		b.Finish(backend.Part{X: b.Cut(b.x, 0, 520), F: backend.SiLU, Up: b.Cut(b.x, 520, 520)}, backend.Part{X: b.Cut(b.x, 1040, 60), F: backend.SiLU})
	})
	add("sigmoid, times others", 1300, func(b *builder) {
		b.Finish(backend.Part{X: b.All(b.x), Bias: b.vector(1300, b.w.normal(3))})
		b.Finish(backend.Part{X: b.Cut(b.x, 0, 600), F: backend.Sigmoid, Up: b.Cut(b.x, 600, 600)}, backend.Part{X: b.Cut(b.x, 1200, 60), F: backend.Sigmoid})
	})
	// What follows must take the finished value, whatever the product before left of it.
	out = append(out, Case{Name: "finish between products", Passes: mixed, Quantized: true, width: 512, record: func(b *builder) backend.Value {
		y := b.MatMul(b.All(b.x), b.norm(512), backend.None, b.matrix(quant.Q8_0, 512, 512))
		b.Finish(backend.Part{X: b.All(y), F: backend.ReLU2})
		z := b.MatMul(b.All(y), nil, b.x, b.matrix(quant.Q8_0, 512, 512))
		b.Finish(backend.Part{X: b.All(z), Scale: 3})
		return b.MatMul(b.All(z), b.norm(512), backend.None, b.matrix(quant.Q4_K, 40, 512))
	}})
	return out
}
