package kernel

import (
	"math"
	"testing"
)

// sweep is every kind of value a function may meet, at a length that fills no
// vector.
func sweep(n int) []float32 {
	x := []float32{0, float32(math.Copysign(0, -1)), 1e-30, -1e-30, 1e-8, -1e-8, 88, -88, 90, -90, 200, -200, 1e30, -1e30}
	for i := 0; len(x) < n; i++ {
		x = append(x, float32(i-n/2)*0.037)
	}
	return x[:n]
}

// near fails unless got is within ulps of want, or both are tiny.
func near(t *testing.T, what string, x float32, got float32, want float64, rel float64) {
	t.Helper()
	if d := math.Abs(float64(got) - want); !(d <= rel*math.Abs(want)+1e-35) {
		t.Fatalf("%s(%g) = %g, want %g (relative %.1e)", what, x, got, want, d/math.Abs(want))
	}
}

func TestSiluMul(t *testing.T) {
	for _, s := range needSets(t) {
		for n := 1; n < 200; n++ {
			x, w, out := sweep(n), make([]float32, n), make([]float32, n+1)
			for i := range w {
				w[i] = float32(i%5) - 2.5
			}
			s.SiluMul(new(Worker), out[:n], x, w)
			for i, v := range x {
				want := float64(v) / (1 + math.Exp(-float64(v))) * float64(w[i])
				near(t, s.Name+" silu*w", v, out[i], want, 4e-7)
			}
			if out[n] != 0 {
				t.Fatalf("%s wrote past %d", s.Name, n)
			}
		}
	}
}
