package cuda

import (
	"fmt"
	"sync"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// plan turns a program into launches for passes of exactly tokens tokens.
func plan(p *backend.Program, tokens int, chip gpu.Chip) (*gpu.Schedule, error) {
	return gpu.Plan(p, tokens, chip, func(pl *gpu.Planner) gpu.Kernels {
		return &planner{Planner: pl, ready: prepared{in: backend.Slice{V: backend.None}}}
	})
}

// Cost plans passes of the given number of tokens on a chip, and fails where it
// lacks a kernel. The best of the rows lie in the host's memory.
func Cost(p *backend.Program, tokens int, chip gpu.Chip) (backend.Cost, error) {
	s, err := plan(p, tokens, chip)
	if err != nil {
		return backend.Cost{}, err
	}
	c := s.Cost(p)
	for name := range c.Kernels {
		if oldest, ok := oldestChips()[name]; !ok || oldest > chip.Level {
			return backend.Cost{}, fmt.Errorf("no kernel %s for compute capability %s", name, chip.Name)
		}
	}
	return c, nil
}

// oldestChips is the oldest compute capability that each kernel is compiled for, 75
// for 7.5.
var oldestChips = sync.OnceValue(func() map[string]int {
	out := map[string]int{}
	for _, i := range listed(manifest) {
		for name := range i.kernels {
			if had, ok := out[name]; !ok || i.minCC < had {
				out[name] = i.minCC
			}
		}
	}
	return out
})

// Areas of scratch memory. Inputs of products have two of each: what makes one
// may read the other.
const (
	areaInput   = iota * 2 // prepared activations
	areaScales             // of int8
	areaSquares            // sums of them, for a norm
	areaParts              // of attention
	areaTiles              // of a matrix
)

// planner chooses this package's kernels.
type planner struct {
	*gpu.Planner
	ready  prepared // the latest
	window gpu.Window[convArgs]
}

// Embed implements [gpu.Kernels].
func (pl *planner) Embed(n *backend.Embed) error {
	out, _ := pl.Value(n.Out)
	pl.Launch("embed", [3]int{pl.Tokens, 1, 1}, 256, embedArgs{gpu.OfTensor(n.Table), out, pl.Block(), int32(n.Table.Cols), int32(n.Table.Type)})
	return nil
}
