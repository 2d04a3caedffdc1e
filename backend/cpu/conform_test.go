package cpu

import (
	"testing"

	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/internal/kernel"
)

// Every node on every instruction set, against the naive backend. Short tests take
// the best set and a third of the cases.
func TestConform(t *testing.T) {
	sets := kernel.Sets()
	if testing.Short() {
		sets = []*kernel.Set{kernel.Best()}
	}
	cases := conform.Cases() // each is run on the naive backend once
	for _, s := range sets {
		t.Run(s.Name, func(t *testing.T) {
			b, err := NewISA(3, s.Name)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for i := range cases {
				c := &cases[i]
				if testing.Short() && !c.Some(3) {
					continue
				}
				if err := c.Check(b); err != nil {
					t.Error(err)
				}
				if s != kernel.Best() && s.Name != "avx2" || testing.Short() && i%9 > 0 {
					continue // the kernels' own tests hold their rows to rows alone
				}
				if err := c.Company(b); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
