package sample

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// off is how far a chi-squared statistic of equally likely counts is from its
// mean, in standard deviations.
func off(counts []int) float64 {
	n := 0
	for _, c := range counts {
		n += c
	}
	want, x := float64(n)/float64(len(counts)), 0.0
	for _, c := range counts {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	dof := float64(len(counts) - 1)
	return (x - dof) / math.Sqrt(2*dof)
}

// Each of seed, position and token alone makes uniform bits, at both ends of the
// word, and so do neighbours together.
func TestNoiseIsUniform(t *testing.T) {
	const n = 1 << 20
	for name, at := range map[string]func(i int) uint64{
		"tokens":        func(i int) uint64 { return noiseAt(1, 5).bits(int32(i)) },
		"positions":     func(i int) uint64 { return noiseAt(1, i).bits(77) },
		"seeds":         func(i int) uint64 { return noiseAt(uint64(i), 5).bits(77) },
		"high seeds":    func(i int) uint64 { return noiseAt(uint64(i)<<40, 5).bits(77) },
		"diagonal":      func(i int) uint64 { return noiseAt(uint64(i), i).bits(int32(i)) },
		"antidiagonal":  func(i int) uint64 { return noiseAt(7, n-i).bits(int32(i)) },
		"every 1000th":  func(i int) uint64 { return noiseAt(0, 1000*i).bits(0) },
		"128 by 8192":   func(i int) uint64 { return noiseAt(3, i>>7).bits(int32(i & 127)) },
		"next seed":     func(i int) uint64 { return noiseAt(1, i).bits(9) ^ noiseAt(2, i).bits(9) },
		"next position": func(i int) uint64 { return noiseAt(1, i).bits(9) ^ noiseAt(1, i+1).bits(9) },
		"next token":    func(i int) uint64 { return noiseAt(1, i).bits(9) - noiseAt(1, i).bits(10) },
		"one step back": func(i int) uint64 { return noiseAt(1, i).bits(9) - noiseAt(1, i+1).bits(8) },
	} {
		high, low, pairs := make([]int, 1<<10), make([]int, 1<<10), make([]int, 1<<10)
		before := uint64(0)
		for i := range n {
			b := at(i)
			high[b>>54]++
			low[b&1023]++
			pairs[b>>59<<5|before>>59]++
			before = b
		}
		for part, counts := range map[string][]int{"high": high, "low": low, "pairs": pairs} {
			if z := off(counts); math.Abs(z) > 4.5 {
				t.Errorf("%s: the %s bits are %.1f standard deviations from uniform", name, part, z)
			}
		}
	}
}

// A bit of seed, position or token that flips changes each bit of the noise half
// of the time.
func TestNoiseAvalanche(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const n = 4000
	for in := range 64 + 31 + 31 {
		var flips [64]int
		for range n {
			seed, pos, token := r.Uint64(), int(r.Int32()), r.Int32()
			a := noiseAt(seed, pos).bits(token)
			switch {
			case in < 64:
				seed ^= 1 << in
			case in < 95:
				pos ^= 1 << (in - 64)
			default:
				token ^= 1 << (in - 95)
			}
			for d := a ^ noiseAt(seed, pos).bits(token); d != 0; d &= d - 1 {
				flips[bits.TrailingZeros64(d)]++
			}
		}
		for out, f := range flips {
			if z := (float64(f) - n/2) / math.Sqrt(n/4); math.Abs(z) > 5.5 {
				t.Errorf("input bit %d flips bit %d %d times of %d", in, out, f, n)
			}
		}
	}
}

// The noise has the Gumbel distribution, whose cumulative function is
// exp(-exp(-x)): Kolmogorov's statistic over 200,000 values. It is finite at
// the ends.
func TestGumbel(t *testing.T) {
	const n = 200_000
	v := make([]float64, n)
	for i := range v {
		v[i] = gumbel(noiseAt(uint64(i%7), i/100).bits(int32(i % 100)))
	}
	slices.Sort(v)
	most := 0.0
	for i, x := range v {
		p := math.Exp(-math.Exp(-x))
		most = max(most, math.Abs(p-float64(i)/n), math.Abs(p-float64(i+1)/n))
	}
	if x := most * math.Sqrt(n); x > 1.95 { // p = 0.001
		t.Errorf("Kolmogorov's statistic is %.2f", x)
	}
	if least, most := gumbel(math.MaxUint64), gumbel(0); least < -4 || least > -3 || most < 45 || most > mostNoise {
		t.Errorf("the noise is between %g and %g", least, most)
	}
}

// The bound without a logarithm is one.
func TestNoiseBound(t *testing.T) {
	check := func(b uint64) {
		if g := gumbel(b); g > atMost(b) || g > mostNoise || g < atMost(b)-5 {
			t.Errorf("%#x: noise %g, bound %g", b, g, atMost(b))
		}
	}
	r := rand.New(rand.NewPCG(2, 2))
	for i := range 64 {
		for _, b := range []uint64{1 << i, 1<<i - 1, 1<<i + 1, ^uint64(0) >> i, ^uint64(0) << i} {
			check(b)
		}
		for range 1000 {
			check(r.Uint64() >> i)
		}
	}
}

// gamble is the definition of sampling: noise for every candidate, the greatest
// sum.
func gamble(o Options, c []Candidate, row []float32, pos int) int32 {
	n, at, most := noiseAt(o.Seed, pos), int32(-1), math.Inf(-1)
	for _, x := range c {
		if v := float64(row[x.ID])/float64(o.Temp) + gumbel(n.bits(x.ID)); v > most || v == most && x.ID < at {
			at, most = x.ID, v
		}
	}
	return at
}

// Leaving out tokens that cannot win does not change who wins.
func TestSampleIsTheDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, o := range []Options{
		{Temp: 1}, {Temp: 0.3}, {Temp: 8}, {Temp: 0.6, TopP: 0.9}, {Temp: 1.3, TopK: 40}, {Temp: 2, MinP: 0.05},
		{Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}, {Temp: 1, RepeatPenalty: 1.5}, {Temp: 1, MinP: 0.2, RepeatPenalty: 0.8},
	} {
		s, other := New(o), New(o)
		for pos := range 300 {
			logits := make([]float32, 700)
			for i := range logits {
				logits[i] = float32(r.NormFloat64() * []float64{0.1, 1, 5, 30}[pos%4])
			}
			text := make([]int32, pos)
			for i := range text {
				text[i] = int32(r.IntN(len(logits)))
			}
			s.o.Seed = r.Uint64()
			want := gamble(s.o, other.Candidates(logits, text), other.adjust(logits, text), pos)
			if got := sampled(s, logits, text); got != want {
				t.Fatalf("%+v at %d: token %d, want %d", s.o, pos, got, want)
			}
		}
	}
}

// The probability that a draft is judged by.
func TestSure(t *testing.T) {
	logits := []float32{1, 3, 2, -40}
	for want, o := range map[float64]Options{
		1 / (1 + math.Exp(-1) + math.Exp(-2)): {Temp: 1},
		1 / (1 + math.Exp(-2) + math.Exp(-4)): {Temp: 0.5},
		1 / (1 + math.Exp(-4)):                {Temp: 0.25, TopK: 2},
		1:                                     {Temp: 1, TopP: 0.1},
		1 / (1 + math.Exp(-1)):                {Temp: 1, MinP: 0.2},
	} {
		s := New(o)
		sampled(s, logits, nil)
		if got := s.Sure(); math.Abs(got-want) > 1e-6 {
			t.Errorf("%+v: sure %g, want %g", o, got, want)
		}
	}
	s := New(Options{})
	sampled(s, logits, nil)
	if got, want := s.Sure(), 1/(1+math.Exp(-1)+math.Exp(-2)); math.Abs(got-want) > 1e-6 {
		t.Errorf("greedy: sure %g, want %g", got, want)
	}
}
