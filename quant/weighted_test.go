package quant

import (
	"bytes"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"
)

// What Pack writes is the same for ever: files are compared by their bytes.
func TestPackBits(t *testing.T) {
	x := append(fill(8*256, 1, gauss), fill(8*256, 2, student)...)
	for typ, want := range map[Type]uint32{
		Q8_0: 0x6a842977, Q6_K: 0xf6b9106a, Q5_K: 0x73813ca0, Q4_K: 0x66356751, Q4_0: 0x7e8b0b81,
		Q5_1: 0x295c49a2, Q5_0: 0xb8ecfa00, Q4_1: 0xcec5e69e, IQ4_NL: 0xda93591a, IQ4_XS: 0x7f47d2cc, MXFP4: 0x26962794, Q3_K: 0x452a9d32, Q2_K: 0x053b426d,
	} {
		s, _ := typ.Spec()
		b := make([]byte, s.RowBytes(len(x)))
		s.Pack(b, x)
		if got := crc32.ChecksumIEEE(b); got != want {
			t.Errorf("%s: %#08x, want %#08x", typ, got, want)
		}
	}
}

// weightedError is the sum of w*(y-x)².
func weightedError(x, y, w []float32) float64 {
	f := fit{x: x, w: w}
	return f.cost(y)
}

// skewed draws weights as activations have them: a few columns of many times
// the mean.
func skewed(r *rand.Rand) float32 { return float32(math.Exp(1.5 * r.NormFloat64())) }

func packWeighted(s *Spec, x, w []float32) ([]byte, []float32) {
	b := make([]byte, s.RowBytes(len(x)))
	s.PackWeighted(b, x, Inputs{Square: w})
	y := make([]float32, len(x))
	s.Unpack(y, b)
	return b, y
}

// rowsError is the weighted squares' sum over rows of len(w).
func rowsError(x, y, w []float32) (sum float64) {
	for i := 0; i < len(x); i += len(w) {
		sum += weightedError(x[i:i+len(w)], y[i:i+len(w)], w)
	}
	return sum
}

// Weighted squares fall by at least the given share against Pack, for rows of
// Student's t under skewed weights.
func TestWeightsCount(t *testing.T) {
	const cols, rows = 1024, 64
	x, w := fill(cols*rows, 7, student), fill(cols, 8, skewed)
	for typ, least := range map[Type]float64{Q8_0: 0.4, Q6_K: 0.35, Q5_K: 0.35, Q4_K: 0.4, Q4_0: 0.2,
		Q5_1: 0.35, Q5_0: 0.25, Q4_1: 0.35, IQ4_NL: 0.3, IQ4_XS: 0.3, MXFP4: 0.03, Q3_K: 0.25, Q2_K: 0.4} {
		s, _ := typ.Spec()
		plain := rowsError(x, roundTrip(s, x), w)
		_, y := packWeighted(s, x, w)
		fell := 1 - rowsError(x, y, w)/plain
		t.Logf("%s: weighted squares fall by %.1f%%", typ, 100*fell)
		if fell < least {
			t.Errorf("%s: weighted squares fall by %.1f%%, want %.0f%%", typ, 100*fell, 100*least)
		}
	}
}

// Whatever rows and weights, every block is at most as far off by weighted
// squares as Pack's, and finite.
func TestWeightedIsNeverWorse(t *testing.T) {
	weights := map[string][]float32{
		"equal":  fill(256, 0, func(*rand.Rand) float32 { return 1 }),
		"skewed": fill(256, 9, skewed),
		"large":  fill(256, 9, func(r *rand.Rand) float32 { return 1e30 * skewed(r) }),
		"small":  fill(256, 9, func(r *rand.Rand) float32 { return 1e-35 * skewed(r) }),
		"one":    fill(256, 9, func(r *rand.Rand) float32 { return float32(r.IntN(40) / 39) }),
	}
	rows := map[string][]float32{
		"gauss": fill(256, 3, gauss), "student": fill(256, 4, student),
		"zeros":      make([]float32, 256),
		"positive":   fill(256, 5, func(r *rand.Rand) float32 { return 3 + r.Float32() }),
		"negative":   fill(256, 5, func(r *rand.Rand) float32 { return -3 - r.Float32() }),
		"a constant": fill(256, 5, func(*rand.Rand) float32 { return -0.25 }),
		"tiny":       fill(256, 6, func(r *rand.Rand) float32 { return 1e-9 * gauss(r) }),
		"denormal":   fill(256, 6, func(r *rand.Rand) float32 { return 1e-40 * gauss(r) }),
		"large":      fill(256, 6, func(r *rand.Rand) float32 { return 1e5 * gauss(r) }),
		"beyond":     fill(256, 6, func(r *rand.Rand) float32 { return 1e30 * gauss(r) }),
		"no numbers": fill(256, 6, func(r *rand.Rand) float32 { return float32(math.NaN()) }),
	}
	for i := range specs {
		s := specs[i]
		for wn, w := range weights {
			for xn, x := range rows {
				plain := roundTrip(s, x)
				_, y := packWeighted(s, x, w)
				for at := 0; at < len(x); at += s.Block {
					to := at + s.Block
					a, b := weightedError(x[at:to], y[at:to], w[at:to]), weightedError(x[at:to], plain[at:to], w[at:to])
					if a > b || a != a && b == b {
						t.Errorf("%s: %s rows, %s weights: weighted squares %g, unweighted packing %g", s.Name, xn, wn, a, b)
					}
				}
			}
		}
	}
}

// Weights that tell nothing apart leave Pack's bytes.
func TestNoWeights(t *testing.T) {
	x := fill(512, 3, student)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for i := range specs {
		s := specs[i]
		want := make([]byte, s.RowBytes(len(x)))
		s.Pack(want, x)
		for _, v := range []float32{0, nan, inf, -1} {
			w := fill(256, 1, func(*rand.Rand) float32 { return v })
			if got, _ := packWeighted(s, x, w); !bytes.Equal(got, want) {
				t.Errorf("%s: weights of %v change the bytes", s.Name, v)
			}
		}
	}
}

func BenchmarkPackWeighted(b *testing.B) {
	x, w := fill(1<<14, 1, gauss), fill(1<<10, 2, skewed)
	for i := range specs {
		s := specs[i]
		if s.weigh == nil {
			continue
		}
		b.Run(s.Name, func(b *testing.B) {
			dst := make([]byte, s.RowBytes(len(x)))
			for b.Loop() {
				s.PackWeighted(dst, x, Inputs{Square: w})
			}
			b.ReportMetric(float64(b.N)*float64(len(x))/1e6/b.Elapsed().Seconds(), "Mvalues/s")
		})
	}
}

// correlated is the mean products of inputs that share much, and their squares.
func correlated(cols int) Inputs {
	const samples = 600
	in := Inputs{Square: make([]float32, cols), Cov: make([]float32, cols*CovWidth)}
	r := rand.New(rand.NewPCG(11, 1))
	v := make([]float32, cols)
	for range samples {
		shared := gauss(r)
		for i := range v {
			v[i] = 0.5*shared*float32(i%7-3) + 0.5*gauss(r)
		}
		for i := range v {
			first := i &^ (CovWidth - 1)
			for j := range CovWidth {
				in.Cov[i*CovWidth+j] += v[i] * v[first+j] / samples
			}
			in.Square[i] += v[i] * v[i] / samples
		}
	}
	return in
}

// productError is the squared error of products with y in the place of a block x
// that begins at a column.
func productError(x, y []float32, in Inputs, col int) (cost float64) {
	var e [CovWidth]float64
	for i := range e {
		e[i] = float64(y[i]) - float64(x[i])
	}
	for i, row := range e {
		for j, v := range e {
			cost += row * v * float64(in.Cov[(col+i)*CovWidth+j])
		}
	}
	return cost
}

// No block comes out worse for known products than Pack makes it, whatever the
// rows; the same in any number of rows at once.
func TestTogetherIsNeverWorse(t *testing.T) {
	const cols, rows = 512, togetherRows + 3
	in := correlated(cols)
	kinds := map[string][]float32{
		"gauss": fill(cols*rows, 3, gauss), "student": fill(cols*rows, 4, student), "zeros": make([]float32, cols*2),
		"positive": fill(cols*2, 5, func(r *rand.Rand) float32 { return 3 + r.Float32() }),
		"negative": fill(cols*2, 5, func(r *rand.Rand) float32 { return -3 - r.Float32() }),
		"tiny":     fill(cols*2, 6, func(r *rand.Rand) float32 { return 1e-9 * gauss(r) }),
		"denormal": fill(cols*2, 6, func(r *rand.Rand) float32 { return 1e-40 * gauss(r) }),
		"beyond":   fill(cols*2, 6, func(r *rand.Rand) float32 { return 1e30 * gauss(r) }),
		"nan":      fill(cols*2, 6, func(r *rand.Rand) float32 { return float32(math.NaN()) }),
	}
	for typ := range kTops {
		s, _ := typ.Spec()
		for name, x := range kinds {
			b, y := make([]byte, s.RowBytes(len(x))), make([]float32, len(x))
			s.PackWeighted(b, x, in)
			s.Unpack(y, b)
			plain := roundTrip(s, x)
			for at := 0; at < len(x); at += CovWidth {
				was, is := productError(x[at:at+CovWidth], plain[at:at+CovWidth], in, at%cols), productError(x[at:at+CovWidth], y[at:at+CovWidth], in, at%cols)
				if is > was*(1+1e-5) || is != is && was == was {
					t.Errorf("%s, %s, block %d: %g, Pack makes %g", s.Name, name, at/CovWidth, is, was)
				}
			}
			one := make([]byte, s.RowBytes(cols))
			for r := range len(x) / cols {
				s.PackWeighted(one, x[r*cols:(r+1)*cols], in)
				if !bytes.Equal(one, b[r*len(one):(r+1)*len(one)]) {
					t.Fatalf("%s, %s: row %d alone differs", s.Name, name, r)
				}
			}
		}
	}
}

func BenchmarkTogether(b *testing.B) {
	in, x := correlated(512), fill(512*64, 1, gauss)
	for typ := range kTops {
		s, _ := typ.Spec()
		b.Run(s.Name, func(b *testing.B) {
			dst := make([]byte, s.RowBytes(len(x)))
			for b.Loop() {
				s.PackWeighted(dst, x, in)
			}
			b.ReportMetric(float64(b.N)*float64(len(x))/1e6/b.Elapsed().Seconds(), "Mvalues/s")
		})
	}
}

// Where inputs go together, the squared error of products falls much below
// Pack's, and below what squares alone give.
func TestProductsCount(t *testing.T) {
	const cols, rows = 512, 16
	x, in := fill(cols*rows, 12, student), correlated(cols)
	for typ, least := range map[Type]float64{Q6_K: 0.7, Q5_K: 0.7, Q4_K: 0.7, Q3_K: 0.7, Q2_K: 0.7} {
		s, _ := typ.Spec()
		total := func(y []float32) (sum float64) {
			for at := 0; at < len(x); at += CovWidth {
				sum += productError(x[at:at+CovWidth], y[at:at+CovWidth], in, at%cols)
			}
			return sum
		}
		b, y := make([]byte, s.RowBytes(len(x))), make([]float32, len(x))
		s.PackWeighted(b, x, in)
		s.Unpack(y, b)
		_, squares := packWeighted(s, x, in.Square)
		plain := total(roundTrip(s, x))
		fell := 1 - total(y)/plain
		t.Logf("%s: squared errors of products fall by %.1f%%, by squares alone %.1f%%", typ, 100*fell, 100-100*total(squares)/plain)
		if fell < least {
			t.Errorf("%s: squared errors of products fall by %.1f%%, want %.0f%%", typ, 100*fell, 100*least)
		}
	}
}
