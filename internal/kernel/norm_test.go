package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every set's RMSNorm is within 2e-7 of the definition and has the same bits.
func TestRMSNorm(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	lengths := []int{2048, 3072, 8192, 8195}
	for n := 1; n < 150; n++ {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		x, w := random(n, r), random(n, r)
		var ss float64
		for _, v := range x {
			ss += float64(v) * float64(v)
		}
		scale := 1 / math.Sqrt(ss/float64(n)+float64(float32(1e-5)))
		var first []float32
		for _, s := range needSets(t) {
			got := make([]float32, n+1)
			s.RMSNorm(new(Worker), got[:n], x, w, 1e-5)
			for i, v := range x {
				near(t, s.Name+" norm", v, got[i], float64(v)*scale*float64(w[i]), 2e-7)
			}
			if got[n] != 0 {
				t.Fatalf("%s wrote past %d", s.Name, n)
			}
			if first == nil {
				first = got
			} else if !slices.Equal(got, first) {
				t.Fatalf("%s: %d values: other bits than %s", s.Name, n, Sets()[0].Name)
			}
			in := slices.Clone(x)
			s.RMSNorm(new(Worker), in, in, w, 1e-5)
			if !slices.Equal(in, got[:n]) {
				t.Fatalf("%s: %d values in place differ", s.Name, n)
			}
		}
	}
}
