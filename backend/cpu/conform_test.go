package cpu

import (
	"testing"

	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/backend/cpu/kernel"
)

// Every node on every instruction set, against the naive backend.
func TestConform(t *testing.T) {
	for _, s := range kernel.Sets() {
		t.Run(s.Name, func(t *testing.T) {
			b, err := NewISA(3, s.Name)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for _, c := range conform.Cases() {
				e, err := c.Compare(b)
				bound := 1e-5
				if c.Quantized {
					bound = 2e-2 // int8 activations of normal deviates: 0.6% a product, and some multiply two
				}
				if err != nil || !(e < bound) {
					t.Errorf("%s: relative error %.1e, %v", c.Name, e, err)
				}
			}
		})
	}
}
