package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// ref names a kernel's memory. One that is not needed is none.
type ref = gpu.Ref

// Indices of the arguments that every kernel takes (CONTRACT.md): its argument struct, the
// parameter block, its memories.
const (
	indexArgs = iota
	indexParams
	indexRefs
)

// plan turns a program into launches for passes of exactly tokens tokens.
func plan(p *backend.Program, tokens int, chip gpu.Chip) (*gpu.Schedule, error) {
	return gpu.Plan(p, tokens, chip, func(pl *gpu.Planner) gpu.Kernels { return &planner{Planner: pl} })
}

// Cost plans passes of the given number of tokens on a chip, and fails where there
// is no kernel. Weights are wrapped where they lie.
func Cost(p *backend.Program, tokens int, chip gpu.Chip) (backend.Cost, error) {
	s, err := plan(p, tokens, chip)
	if err != nil {
		return backend.Cost{}, err
	}
	c := s.Cost(p)
	for kernel := range c.Kernels {
		if _, _, ok := file(kernel); !ok {
			return backend.Cost{}, fmt.Errorf("no kernel %s", kernel)
		}
	}
	if gpu.Ranks(p) {
		c.Scratch += 4 * gpu.RankWords * int64(p.LogitRows)
	}
	return c, nil
}

// planner chooses this package's kernels. Its one scratch area lasts until a
// node's last launch.
type planner struct {
	*gpu.Planner
	window gpu.Window[movedWindow]
}

// Embed implements [gpu.Kernels].
func (pl *planner) Embed(n *backend.Embed) error {
	out, _ := pl.Value(n.Out)
	pl.Launch("embed", [3]int{gpu.Ceil(n.Table.Cols, 256), pl.Tokens, 1}, 256, embedArgs{int32(n.Table.Cols), int32(n.Table.Type)}, gpu.OfTensor(n.Table), out)
	return nil
}
