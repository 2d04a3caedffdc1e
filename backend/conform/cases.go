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
	var out []Case
	add := func(name string, width int, passes []Pass, quantized bool, record func(b *builder) backend.Value) {
		out = append(out, Case{Name: name, Passes: passes, Quantized: quantized, width: width, record: record})
	}
	for _, t := range quant.Types() {
		spec, _ := t.Spec()
		float := spec.Block == 1
		for _, shape := range [][2]int{{1, 256}, {33, 512}, {130, 768}, {67, 96}, {5, 40}, {19, 7}} {
			rows, cols := shape[0], shape[1]
			if cols%spec.Block != 0 {
				continue
			}
			add(fmt.Sprintf("matmul %s %dx%d", spec.Name, rows, cols), cols, mixed, !float, func(b *builder) backend.Value {
				return b.MatMul(b.All(b.x), nil, backend.None, b.matrix(t, rows, cols))
			})
		}
		add("matmul, norm, residual "+spec.Name, 256, mixed, !float, func(b *builder) backend.Value {
			y := b.MatMul(b.All(b.x), b.norm(256), b.x, b.matrix(t, 256, 256))
			return b.MatMul(b.Cut(y, 0, 256), b.norm(256), backend.None, b.matrix(t, 33, 256), b.matrix(quant.F32, 7, 256), b.matrix(t, 64, 256))
		})
		if t == quant.F32 || t == quant.Q8_0 {
			add("matmul of a part, norm "+spec.Name, 263, few, !float, func(b *builder) backend.Value {
				return b.MatMul(b.Cut(b.x, 3, 256), b.norm(256), backend.None, b.matrix(t, 33, 256))
			})
		}
		add("gate and up "+spec.Name, 256, mixed, !float, func(b *builder) backend.Value {
			return b.GateUp(b.All(b.x), b.norm(256), b.matrix(t, 71, 256), b.matrix(t, 71, 256))
		})
		add("embedding "+spec.Name, 256, few, false, func(b *builder) backend.Value {
			return b.Embed(b.matrix(t, inputs, 256))
		})
		add("logits of some, norm "+spec.Name, 256, few, !float, func(b *builder) backend.Value { return b.x })
		out[len(out)-1].head = func(b *builder, y backend.Value) { b.Logits(b.All(y), b.norm(256), b.matrix(t, 70, 256)) }
		add("matmul of 200 tokens "+spec.Name, 256, []Pass{{200, 0}}, !float, func(b *builder) backend.Value {
			return b.MatMul(b.All(b.x), b.norm(256), backend.None, b.matrix(t, 300, 256), b.matrix(t, 21, 256))
		})
		add("gate and up of 200 tokens "+spec.Name, 256, []Pass{{200, 0}}, !float, func(b *builder) backend.Value {
			return b.GateUp(b.All(b.x), nil, b.matrix(t, 151, 256), b.matrix(t, 151, 256))
		})
	}
	add("gate and up of two types", 256, mixed, true, func(b *builder) backend.Value {
		return b.GateUp(b.All(b.x), b.norm(256), b.matrix(quant.Q4_K, 71, 256), b.matrix(quant.Q6_K, 71, 256))
	})
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
			add(fmt.Sprintf("attention %d/%d heads of %d, %v", h.Heads, h.KVHeads, h.Dim, kv), (h.Heads+2*h.KVHeads)*h.Dim,
				passes, false, func(b *builder) backend.Value { return attention(b, turned{Heads: h, dims: h.Dim}) })
		}
	}
	conv := func(name string, in, channels, taps int, repeat []int32) {
		add(name, in, mixed, false, func(b *builder) backend.Value {
			return b.Conv(&backend.Conv{In: b.All(b.x), Map: repeat, Taps: taps, W: b.w.tensor(quant.F32, channels, taps, b.w.normal(0.5)),
				Bias: b.vector(channels, b.w.normal(0.3)), Window: b.memory("window", backend.StateWindow, 4*(taps-1+backend.MaxVerify)*in)})
		})
	}
	conv("convolution of 100", 100, 100, 4, nil)
	conv("convolution of 33, 3 taps", 33, 33, 3, nil)
	conv("convolution, repeated", 32, 96, 4, func() []int32 {
		var m []int32
		for c := range 96 {
			m = append(m, int32(c/16/3*16+c%16))
		}
		return m
	}())
	for _, s := range []struct{ channels, x, b, c, n int }{
		{64, 64, 64, 64, 16}, {64, 32, 32, 64, 16}, {96, 96, 16, 16, 16}, {48, 24, 24, 48, 8}, {40, 40, 20, 20, 20}, {32, 16, 16, 32, 1},
	} {
		width := s.x + s.channels + s.b + s.c + s.channels
		add(fmt.Sprintf("Mamba scan, %d channels of %d states, x %d, B %d, C %d", s.channels, s.n, s.x, s.b, s.c), width, mixed, false, func(b *builder) backend.Value {
			at := 0
			cut := func(n int) backend.Slice { at += n; return b.Cut(b.x, at-n, n) }
			x, dt, bs, cs, z := cut(s.x), cut(s.channels), cut(s.b), cut(s.c), cut(s.channels)
			return b.Scan1(&backend.Scan1{X: x, Dt: dt, B: bs, C: cs, Z: z, N: s.n,
				A:      b.w.tensor(quant.F32, s.channels, s.n, b.decay()),
				D:      b.vector(s.channels, b.w.normal(1)),
				DtBias: b.vector(s.channels, b.w.normal(1)),
				H:      b.memory("h", backend.StateRecurrent, 4*s.channels*s.n),
				Log:    b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan1LogWidth(s.channels, s.x, s.b))})
		})
	}
	for _, s := range []struct{ heads, p, n, x, b, c, groups int }{
		{4, 64, 64, 4, 4, 4, 4}, {4, 64, 64, 2, 2, 4, 4}, {6, 16, 32, 6, 1, 1, 1}, {6, 24, 16, 6, 2, 2, 2}, {3, 5, 7, 3, 3, 3, 3}, {2, 40, 100, 2, 1, 1, 2}, {2, 4, 200, 2, 2, 2, 1},
	} {
		X, B, C, inner := s.x*s.p, s.b*s.n, s.c*s.n, s.heads*s.p
		add(fmt.Sprintf("Mamba-2 scan, %d heads of %d x %d, x %d, B %d, C %d, %d groups", s.heads, s.p, s.n, s.x, s.b, s.c, s.groups), X+B+C+s.heads+inner, mixed, false, func(b *builder) backend.Value {
			at := 0
			cut := func(n int) backend.Slice { at += n; return b.Cut(b.x, at-n, n) }
			x, bs, cs, dt, z := cut(X), cut(B), cut(C), cut(s.heads), cut(inner)
			return b.Scan2(&backend.Scan2{X: x, B: bs, C: cs, Dt: dt, Z: z, Heads: s.heads, P: s.p, N: s.n, NormGroups: s.groups, NormEps: 1e-5,
				A:          b.vector(s.heads, b.decay()),
				D:          b.vector(s.heads, b.w.normal(1)),
				DtBias:     b.vector(s.heads, b.w.normal(1)),
				NormWeight: b.vector(inner, b.w.normal(1)),
				H:          b.memory("h", backend.StateRecurrent, 4*inner*s.n),
				Log:        b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(s.heads, X, B))})
		})
	}
	// A convolution of x, B and C and the scan that reads them, which a backend may
	// make together; C lies before B, and of four heads a third of the channels repeat others.
	for _, s := range []struct{ heads, p, n, x, b, c, taps int }{
		{4, 64, 64, 4, 4, 4, 4}, {8, 20, 128, 2, 2, 8, 4}, {8, 24, 16, 8, 2, 2, 4}, {4, 40, 256, 4, 1, 1, 4}, {4, 5, 8, 4, 1, 2, 4},
		{8, 16, 32, 8, 1, 1, 3}, {6, 24, 16, 6, 2, 2, 4}, {4, 5, 7, 4, 4, 2, 4},
	} {
		X, B, C, inner := s.x*s.p, s.b*s.n, s.c*s.n, s.heads*s.p
		channels, in := X+B+C, (2*(X+B+C)+2)/3
		var repeat []int32
		if s.heads == 4 {
			for c := range channels {
				repeat = append(repeat, int32(c*in/channels))
			}
		} else {
			in = channels
		}
		add(fmt.Sprintf("convolution and Mamba-2 scan, %d taps, %d heads of %d x %d, x %d, B %d, C %d", s.taps, s.heads, s.p, s.n, s.x, s.b, s.c), in+s.heads+inner, mixed, false, func(b *builder) backend.Value {
			conv := b.Conv(&backend.Conv{In: b.Cut(b.x, inner, in), Map: repeat, Taps: s.taps, W: b.w.tensor(quant.F32, channels, s.taps, b.w.normal(0.5)),
				Bias: b.vector(channels, b.w.normal(0.3)), Window: b.memory("window", backend.StateWindow, 4*(s.taps-1+backend.MaxVerify)*in)})
			return b.Scan2(&backend.Scan2{X: b.Cut(conv, 0, X), C: b.Cut(conv, X, C), B: b.Cut(conv, X+C, B), Z: b.Cut(b.x, 0, inner), Dt: b.Cut(b.x, inner+in, s.heads),
				Heads: s.heads, P: s.p, N: s.n, NormGroups: 1, NormEps: 1e-5, A: b.vector(s.heads, b.decay()), D: b.vector(s.heads, b.w.normal(1)), DtBias: b.vector(s.heads, b.w.normal(1)),
				NormWeight: b.vector(inner, b.w.normal(1)), H: b.memory("h", backend.StateRecurrent, 4*inner*s.n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(s.heads, X, B))})
		})
	}
	// Mamba-2 without a norm.
	for _, groups := range []int{1, 2} {
		const heads, p, n, inner = 4, 24, 16, 4 * 24
		add(fmt.Sprintf("Mamba-2 scan without a norm, %d groups of B and C", groups), 2*inner+2*groups*n+heads, mixed, false, func(b *builder) backend.Value {
			at := 0
			cut := func(n int) backend.Slice { at += n; return b.Cut(b.x, at-n, n) }
			z, x, bs, cs, dt := cut(inner), cut(inner), cut(groups*n), cut(groups*n), cut(heads)
			return b.Scan2(&backend.Scan2{X: x, B: bs, C: cs, Dt: dt, Z: z, Heads: heads, P: p, N: n, NormGroups: groups,
				A: b.vector(heads, b.decay()), D: b.vector(heads, b.w.normal(1)), DtBias: b.vector(heads, b.w.normal(1)),
				H: b.memory("h", backend.StateRecurrent, 4*inner*n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(heads, inner, groups*n))})
		})
	}
	// A norm over more than a block makes, which the next product takes as int8.
	const heads, p, n, inner = 9, 64, 16, 9 * 64
	add("Mamba-2 scan and product", 2*inner+2*n+heads, mixed, true, func(b *builder) backend.Value {
		y := b.Scan2(&backend.Scan2{X: b.Cut(b.x, 0, inner), B: b.Cut(b.x, inner, n), C: b.Cut(b.x, inner+n, n), Dt: b.Cut(b.x, inner+2*n, heads), Z: b.Cut(b.x, inner+2*n+heads, inner),
			Heads: heads, P: p, N: n, NormGroups: 1, NormEps: 1e-5, A: b.vector(heads, b.decay()), D: b.vector(heads, b.w.normal(1)), DtBias: b.vector(heads, b.w.normal(1)),
			NormWeight: b.vector(inner, b.w.normal(1)), H: b.memory("h", backend.StateRecurrent, 4*inner*n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(heads, inner, n))})
		return b.MatMul(b.All(y), nil, backend.None, b.matrix(quant.Q4_0, 40, inner))
	})
	add("Mamba-2 scan without a norm and product", 2*inner+2*n+heads, mixed, true, func(b *builder) backend.Value {
		y := b.Scan2(&backend.Scan2{X: b.Cut(b.x, 0, inner), B: b.Cut(b.x, inner, n), C: b.Cut(b.x, inner+n, n), Dt: b.Cut(b.x, inner+2*n, heads), Z: b.Cut(b.x, inner+2*n+heads, inner),
			Heads: heads, P: p, N: n, NormGroups: 1, A: b.vector(heads, b.decay()), D: b.vector(heads, b.w.normal(1)), DtBias: b.vector(heads, b.w.normal(1)),
			H: b.memory("h", backend.StateRecurrent, 4*inner*n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(heads, inner, n))})
		return b.MatMul(b.All(y), nil, backend.None, b.matrix(quant.Q4_0, 40, inner))
	})
	out = append(out, rotations()...)
	return append(out, finishes()...)
}

// decay gives values of A: negative, some near zero.
func (b *builder) decay() func(int) float32 {
	return func(int) float32 { return float32(-math.Exp(b.w.r.NormFloat64())) }
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
