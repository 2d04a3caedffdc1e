// Package gpu plans programs for GPUs. A plan is a list of kernel launches that
// name the memory they touch. It is made once for each number of tokens of a
// pass and needs no device: the chip's limits are an argument. A backend chooses
// the kernels ([Kernels]), gives the memory and runs the launches.
package gpu

import (
	"errors"
	"fmt"

	"github.com/mil-run/mil/backend"
)

// ErrMemory is wrapped where a GPU's memory does not suffice.
var ErrMemory = errors.New("too little GPU memory")

// Chip is the limits of a GPU that plans depend on.
type Chip struct {
	Name    string // as `mil info --chip` takes it: a compute capability or a family
	Product string // the one whose numbers these are
	Level   int    // the capability, 90 for 9.0, or the family, 9 for Apple9
	Cores   int    // how many
	Core    string // is called so: "multiprocessor"
	Shared  int    // bytes of shared or threadgroup memory that a block may have
	Prompt  int    // tokens that a prompt's pass holds
}

// Launch is one kernel of a pass.
type Launch struct {
	Kernel      string
	Grid, Block [3]uint32 // blocks, and threads of one
	Shared      uint32    // bytes of dynamic shared memory
	Args        []byte    // the argument struct
	Refs        []Ref     // the memories, in the order of the kernel's arguments
	// At, where kernels take addresses in their argument struct, is where in Args
	// those of Refs go.
	At   []int
	Note string // more of the work than the name says, for people
}

// Schedule is a program's passes of one number of tokens, as launches. What
// changes from pass to pass lies in the parameter block.
type Schedule struct {
	Launches []Launch
	// Ranking is how many launches at the end rank rows. They have nothing to do
	// where nobody asks for a ranking.
	Ranking   int
	Scratch   []int  // bytes of the areas from Scratch on, which begin as zeros
	Constants []byte // of the area Constants, the same for every number of tokens
}

// Cost is the memory of a planned pass beside weights, states and values.
func (s *Schedule) Cost(p *backend.Program) backend.Cost {
	c := backend.CostOf(p)
	c.Launches, c.Scratch, c.Kernels = len(s.Launches), int64(len(s.Constants)), map[string]int{}
	for _, n := range s.Scratch {
		c.Scratch += int64(n)
	}
	for i := range s.Launches {
		c.Kernels[s.Launches[i].Kernel]++
	}
	return c
}

// Kernels launches a backend's kernels for nodes.
type Kernels interface {
	Embed(*backend.Embed) error
	MatMul(*backend.MatMul) error
	GateUp(*backend.GateUp) error
	Finish(*backend.Finish) error
	RopeStore(*backend.RopeStore) error
	Attend(*backend.Attend) error
	Conv(*backend.Conv) error
	Scan1(*backend.Scan1) error
	Scan2(*backend.Scan2) error
	DeltaScan(*backend.DeltaScan) error
	Reorder(*backend.Reorder) error
	Logits(*backend.Logits) error
	// Rank ranks the rows of a program that [Ranks].
	Rank()
}

// Plan turns a program into launches for passes of exactly tokens tokens. It
// fails where a node cannot run on the chip.
func Plan(p *backend.Program, tokens int, chip Chip, choose func(*Planner) Kernels) (*Schedule, error) {
	pl := &Planner{P: p, Tokens: tokens, Chip: chip, Schedule: &Schedule{}, layout: backend.PlanValues(p), constants: map[any]Ref{}}
	k := choose(pl)
	for i, n := range p.Nodes {
		pl.At = i
		if err := launch(k, n); err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
	}
	if planned := len(pl.Launches); Ranks(p) {
		k.Rank()
		pl.Ranking = len(pl.Launches) - planned
	}
	return pl.Schedule, nil
}

func launch(k Kernels, n backend.Node) error {
	switch n := n.(type) {
	case *backend.Embed:
		return k.Embed(n)
	case *backend.MatMul:
		return k.MatMul(n)
	case *backend.GateUp:
		return k.GateUp(n)
	case *backend.Finish:
		return k.Finish(n)
	case *backend.RopeStore:
		return k.RopeStore(n)
	case *backend.Attend:
		return k.Attend(n)
	case *backend.Conv:
		return k.Conv(n)
	case *backend.Scan1:
		return k.Scan1(n)
	case *backend.Scan2:
		return k.Scan2(n)
	case *backend.DeltaScan:
		return k.DeltaScan(n)
	case *backend.Reorder:
		return k.Reorder(n)
	case *backend.Logits:
		return k.Logits(n)
	}
	return fmt.Errorf("no kernel for %T", n)
}
