package cuda

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// plan turns a program into launches for passes of exactly tokens tokens.
func plan(p *backend.Program, tokens int, chip gpu.Chip) (*gpu.Schedule, error) {
	return gpu.Plan(p, tokens, chip, func(pl *gpu.Planner) gpu.Kernels {
		return &planner{Planner: pl, ready: prepared{in: backend.Slice{V: backend.None}}}
	})
}

// Cost plans passes of the given number of tokens on a chip. The best of the rows
// lie in the host's memory.
func Cost(p *backend.Program, tokens int, chip gpu.Chip) (backend.Cost, error) {
	s, err := plan(p, tokens, chip)
	if err != nil {
		return backend.Cost{}, err
	}
	return s.Cost(p), nil
}

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
