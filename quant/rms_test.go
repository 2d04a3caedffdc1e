package quant

import (
	"math"
	"math/rand/v2"
	"testing"
)

func gauss(r *rand.Rand) float32 { return float32(r.NormFloat64()) }

// student draws from Student's t with 5 degrees of freedom.
func student(r *rand.Rand) float32 {
	var chi float64
	for range 5 {
		z := r.NormFloat64()
		chi += z * z
	}
	return float32(r.NormFloat64() / math.Sqrt(chi/5))
}

func fill(n int, seed uint64, draw func(*rand.Rand) float32) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = draw(r)
	}
	return x
}

// rms is the norm of y-x over that of x.
func rms(x, y []float32) float64 {
	var e, n float64
	for i := range x {
		d := float64(y[i]) - float64(x[i])
		e += d * d
		n += float64(x[i]) * float64(x[i])
	}
	return math.Sqrt(e / n)
}

func roundTrip(s *Spec, x []float32) []float32 {
	b := make([]byte, s.RowBytes(len(x)))
	s.Pack(b, x)
	y := make([]float32, len(x))
	s.Unpack(y, b)
	return y
}

// TestError holds each type to the error of llama.cpp's quantizers without
// importance weights, and 2% more.
func TestError(t *testing.T) {
	g, s := fill(2000*1024, 1, gauss), fill(2000*1024, 2, student)
	for _, c := range []struct {
		t           Type
		gauss, stud float64
	}{
		{F32, 0, 0},
		{F16, 3e-4, 3e-4},
		{BF16, 2.4e-3, 2.4e-3},
		{Q8_0, 0.00535, 0.00674},
		{Q6_K, 0.0178, 0.0214},
		{Q5_K, 0.0361, 0.0419},
		{Q4_K, 0.0714, 0.0828},
		{Q4_0, 0.0860, 0.1074},
		{Q5_1, 0.03787, 0.04357},
		{Q5_0, 0.04263, 0.05363},
		{Q4_1, 0.07826, 0.08989},
		{IQ4_NL, 0.07611, 0.08845},
		{IQ4_XS, 0.07669, 0.08930},
		{MXFP4, 0.11487, 0.12632},
		{Q3_K, 0.15082, 0.17632},
		{Q2_K, 0.29707, 0.33345},
	} {
		spec, _ := c.t.Spec()
		a, b := rms(g, roundTrip(spec, g)), rms(s, roundTrip(spec, s))
		t.Logf("%-5s gauss %.5f (bar %.5f)  student %.5f (bar %.5f)", c.t, a, c.gauss, b, c.stud)
		if a > 1.02*c.gauss || b > 1.02*c.stud {
			t.Errorf("%s: error %.5f on Gaussian rows, %.5f on Student's; want at most 2%% over %.5f, %.5f",
				c.t, a, b, c.gauss, c.stud)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	x := fill(1<<16, 1, gauss)
	for i := range specs {
		s := specs[i]
		b.Run(s.Name, func(b *testing.B) {
			dst := make([]byte, s.RowBytes(len(x)))
			for b.Loop() {
				s.Pack(dst, x)
			}
			b.ReportMetric(float64(b.N)*float64(len(x))/1e6/b.Elapsed().Seconds(), "Mvalues/s")
		})
	}
}

func BenchmarkUnpack(b *testing.B) {
	x := fill(1<<14, 1, gauss)
	for i := range specs {
		s := specs[i]
		b.Run(s.Name, func(b *testing.B) {
			src := make([]byte, s.RowBytes(len(x)))
			s.Pack(src, x)
			y := make([]float32, len(x))
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				s.Unpack(y, src)
			}
		})
	}
}
