package kernel

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/mil-run/mil/quant"
)

// Fits for known inputs write the same bytes on every set and in plain Go.
func TestMultiplier(t *testing.T) {
	const cols, rows = 512, 70
	r := rand.New(rand.NewPCG(1, 2))
	in := quant.Inputs{Square: make([]float32, cols), Cov: make([]float32, cols*quant.CovWidth)}
	v := make([]float32, cols)
	for range 50 {
		shared := float32(r.NormFloat64())
		for i := range v {
			v[i] = shared*float32(i%7-3) + float32(r.NormFloat64())
		}
		for i := range v {
			first := i &^ (quant.CovWidth - 1)
			for j := range quant.CovWidth {
				in.Cov[i*quant.CovWidth+j] += v[i] * v[first+j]
			}
			in.Square[i] += v[i] * v[i]
		}
	}
	x := make([]float32, cols*rows)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for _, typ := range quant.Types() {
		spec, _ := typ.Spec()
		if spec.Pack == nil { // it is only read
			continue
		}
		pack := func(in quant.Inputs) []byte {
			b := make([]byte, spec.RowBytes(len(x)))
			spec.PackWeighted(b, x, in)
			return b
		}
		want := pack(in)
		for _, s := range Sets() {
			of := in
			of.Multiply = s.Multiplier()
			if got := pack(of); !bytes.Equal(got, want) {
				t.Errorf("%s, %s: other bytes than plain Go's", s.Name, spec.Name)
			}
		}
	}
}
