package conform

import (
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// convolutions are alone, with channels of their own and repeated ones.
func (c *cases) convolutions() {
	conv := func(name string, in, channels, taps int, repeat []int32) {
		c.add(name, in, mixed, false, func(b *builder) backend.Value {
			return b.Conv(&backend.Conv{In: b.All(b.x), Map: repeat, Taps: taps, W: b.w.tensor(quant.F32, channels, taps, b.w.normal(0.5)),
				Bias: b.vector(channels, b.w.normal(0.3)), Window: b.memory("window", backend.StateWindow, 4*(taps-1+backend.MaxVerify)*in)})
		})
	}
	conv("convolution of 100", 100, 100, 4, nil)
	conv("convolution of 33, 3 taps", 33, 33, 3, nil)
	c.add("convolution without biases", 70, mixed, false, func(b *builder) backend.Value {
		return b.Conv(&backend.Conv{In: b.Cut(b.x, 2, 66), Taps: 4, W: b.w.tensor(quant.F32, 66, 4, b.w.normal(0.5)),
			Window: b.memory("window", backend.StateWindow, 4*(3+backend.MaxVerify)*66)})
	})
	conv("convolution, repeated", 32, 96, 4, func() []int32 {
		var m []int32
		for i := range 96 {
			m = append(m, int32(i/16/3*16+i%16))
		}
		return m
	}())
}

// scans1 are of Mamba.
func (c *cases) scans1() {
	for _, s := range []struct{ channels, x, b, c, n int }{
		{64, 64, 64, 64, 16}, {64, 32, 32, 64, 16}, {96, 96, 16, 16, 16}, {48, 24, 24, 48, 8}, {40, 40, 20, 20, 20}, {32, 16, 16, 32, 1},
	} {
		width := s.x + s.channels + s.b + s.c + s.channels
		c.add(fmt.Sprintf("Mamba scan, %d channels of %d states, x %d, B %d, C %d", s.channels, s.n, s.x, s.b, s.c), width, mixed, false, func(b *builder) backend.Value {
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
}

// scans2 are of Mamba-2, with a norm.
func (c *cases) scans2() {
	for _, s := range []struct{ heads, p, n, x, b, c, groups int }{
		{4, 64, 64, 4, 4, 4, 4}, {4, 64, 64, 2, 2, 4, 4}, {6, 16, 32, 6, 1, 1, 1}, {6, 24, 16, 6, 2, 2, 2}, {3, 5, 7, 3, 3, 3, 3}, {2, 40, 100, 2, 1, 1, 2}, {2, 4, 200, 2, 2, 2, 1},
	} {
		X, B, C, inner := s.x*s.p, s.b*s.n, s.c*s.n, s.heads*s.p
		c.add(fmt.Sprintf("Mamba-2 scan, %d heads of %d x %d, x %d, B %d, C %d, %d groups", s.heads, s.p, s.n, s.x, s.b, s.c, s.groups), X+B+C+s.heads+inner, mixed, false, func(b *builder) backend.Value {
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
}

// convScans are convolutions of x, B and C and the scans that read them, which a
// backend may make together. C lies before B, and of four heads a third of the
// channels repeat others.
func (c *cases) convScans() {
	for _, s := range []struct{ heads, p, n, x, b, c, taps int }{
		{4, 64, 64, 4, 4, 4, 4}, {8, 20, 128, 2, 2, 8, 4}, {8, 24, 16, 8, 2, 2, 4}, {4, 40, 256, 4, 1, 1, 4}, {4, 5, 8, 4, 1, 2, 4},
		{8, 16, 32, 8, 1, 1, 3}, {6, 24, 16, 6, 2, 2, 4}, {4, 5, 7, 4, 4, 2, 4},
	} {
		X, B, C, inner := s.x*s.p, s.b*s.n, s.c*s.n, s.heads*s.p
		channels, in := X+B+C, (2*(X+B+C)+2)/3
		var repeat []int32
		if s.heads == 4 {
			for i := range channels {
				repeat = append(repeat, int32(i*in/channels))
			}
		} else {
			in = channels
		}
		c.add(fmt.Sprintf("convolution and Mamba-2 scan, %d taps, %d heads of %d x %d, x %d, B %d, C %d", s.taps, s.heads, s.p, s.n, s.x, s.b, s.c), in+s.heads+inner, mixed, false, func(b *builder) backend.Value {
			conv := b.Conv(&backend.Conv{In: b.Cut(b.x, inner, in), Map: repeat, Taps: s.taps, W: b.w.tensor(quant.F32, channels, s.taps, b.w.normal(0.5)),
				Bias: b.vector(channels, b.w.normal(0.3)), Window: b.memory("window", backend.StateWindow, 4*(s.taps-1+backend.MaxVerify)*in)})
			return b.Scan2(&backend.Scan2{X: b.Cut(conv, 0, X), C: b.Cut(conv, X, C), B: b.Cut(conv, X+C, B), Z: b.Cut(b.x, 0, inner), Dt: b.Cut(b.x, inner+in, s.heads),
				Heads: s.heads, P: s.p, N: s.n, NormGroups: 1, NormEps: 1e-5, A: b.vector(s.heads, b.decay()), D: b.vector(s.heads, b.w.normal(1)), DtBias: b.vector(s.heads, b.w.normal(1)),
				NormWeight: b.vector(inner, b.w.normal(1)), H: b.memory("h", backend.StateRecurrent, 4*inner*s.n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(s.heads, X, B))})
		})
	}
}

// plainScans are of Mamba-2 without a norm.
func (c *cases) plainScans() {
	for _, groups := range []int{1, 2} {
		const heads, p, n, inner = 4, 24, 16, 4 * 24
		c.add(fmt.Sprintf("Mamba-2 scan without a norm, %d groups of B and C", groups), 2*inner+2*groups*n+heads, mixed, false, func(b *builder) backend.Value {
			at := 0
			cut := func(n int) backend.Slice { at += n; return b.Cut(b.x, at-n, n) }
			z, x, bs, cs, dt := cut(inner), cut(inner), cut(groups*n), cut(groups*n), cut(heads)
			return b.Scan2(&backend.Scan2{X: x, B: bs, C: cs, Dt: dt, Z: z, Heads: heads, P: p, N: n, NormGroups: groups,
				A: b.vector(heads, b.decay()), D: b.vector(heads, b.w.normal(1)), DtBias: b.vector(heads, b.w.normal(1)),
				H: b.memory("h", backend.StateRecurrent, 4*inner*n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(heads, inner, groups*n))})
		})
	}
}

// scanProducts are scans whose output the next product takes as int8, behind a
// norm over more than a block makes and without one.
func (c *cases) scanProducts() {
	const heads, p, n, inner = 9, 64, 16, 9 * 64
	c.add("Mamba-2 scan and product", 2*inner+2*n+heads, mixed, true, func(b *builder) backend.Value {
		y := b.Scan2(&backend.Scan2{X: b.Cut(b.x, 0, inner), B: b.Cut(b.x, inner, n), C: b.Cut(b.x, inner+n, n), Dt: b.Cut(b.x, inner+2*n, heads), Z: b.Cut(b.x, inner+2*n+heads, inner),
			Heads: heads, P: p, N: n, NormGroups: 1, NormEps: 1e-5, A: b.vector(heads, b.decay()), D: b.vector(heads, b.w.normal(1)), DtBias: b.vector(heads, b.w.normal(1)),
			NormWeight: b.vector(inner, b.w.normal(1)), H: b.memory("h", backend.StateRecurrent, 4*inner*n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(heads, inner, n))})
		return b.MatMul(b.All(y), nil, backend.None, b.matrix(quant.Q4_0, 40, inner))
	})
	c.add("Mamba-2 scan without a norm and product", 2*inner+2*n+heads, mixed, true, func(b *builder) backend.Value {
		y := b.Scan2(&backend.Scan2{X: b.Cut(b.x, 0, inner), B: b.Cut(b.x, inner, n), C: b.Cut(b.x, inner+n, n), Dt: b.Cut(b.x, inner+2*n, heads), Z: b.Cut(b.x, inner+2*n+heads, inner),
			Heads: heads, P: p, N: n, NormGroups: 1, A: b.vector(heads, b.decay()), D: b.vector(heads, b.w.normal(1)), DtBias: b.vector(heads, b.w.normal(1)),
			H: b.memory("h", backend.StateRecurrent, 4*inner*n), Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(heads, inner, n))})
		return b.MatMul(b.All(y), nil, backend.None, b.matrix(quant.Q4_0, 40, inner))
	})
}

// decay gives values of A: negative, some near zero.
func (b *builder) decay() func(int) float32 {
	return func(int) float32 { return float32(-math.Exp(b.w.r.NormFloat64())) }
}

// deltas are of gated delta nets: heads that share keys side by side, and apart; heads
// and states that are no whole vectors.
func (c *cases) deltas() {
	for _, s := range []struct {
		heads, keys, p, n int
		tiled             bool
	}{
		{4, 2, 64, 64, false}, {4, 2, 32, 16, true}, {8, 4, 40, 128, true}, {3, 1, 40, 24, false}, {6, 3, 5, 7, true}, {2, 2, 100, 200, false}, {1, 1, 1, 1, false},
	} {
		keys, inner := s.keys*s.n, s.heads*s.p
		c.add(fmt.Sprintf("delta scan, %d heads of %d x %d, %d of keys, tiled %t", s.heads, s.p, s.n, s.keys, s.tiled), 2*keys+2*inner+2*s.heads, mixed, false, func(b *builder) backend.Value {
			at := 0
			cut := func(n int) backend.Slice { at += n; return b.Cut(b.x, at-n, n) }
			z, q, k, v, beta, dt := cut(inner), cut(keys), cut(keys), cut(inner), cut(s.heads), cut(s.heads)
			return b.DeltaScan(&backend.DeltaScan{Q: q, K: k, V: v, Dt: dt, Beta: beta, Z: z, Heads: s.heads, P: s.p, N: s.n, Tiled: s.tiled, NormEps: 1e-5,
				A: b.vector(s.heads, b.decay()), DtBias: b.vector(s.heads, b.w.normal(1)), NormWeight: b.vector(s.p, b.w.normal(1)),
				H:   b.memory("h", backend.StateRecurrent, 4*inner*s.n),
				Log: b.memory("log", backend.StateLog, 4*backend.MaxVerify*backend.DeltaLogWidth(s.heads, inner, keys))})
		})
	}
}

// reorders move blocks, as of queries and gates that lie head by head.
func (c *cases) reorders() {
	for _, block := range []int{1, 24, 64} {
		c.add(fmt.Sprintf("reorder of blocks of %d", block), 3+6*block, few, false, func(b *builder) backend.Value {
			return b.Reorder(b.Cut(b.x, 3, 6*block), block, []int32{0, 2, 4, 1, 3, 5})
		})
	}
}
