package cuda

import (
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// plan turns a program into launches for passes of exactly tokens tokens.
//
// Nodes are planned twice: to find how much scratch memory the largest needs,
// which they share since they run one after the other, and then with it.
func plan(p *backend.Program, tokens int, m memory) ([]launch, error) {
	pl := &planner{memory: m, p: p, tokens: tokens, constants: map[any]uint64{}}
	for pass := range 2 {
		pl.launches, pl.ready = pl.launches[:0], prepared{in: backend.Slice{V: backend.None}}
		for i, n := range p.Nodes {
			pl.at = i
			if err := pl.node(n); err != nil {
				return nil, fmt.Errorf("node %d: %w", i, err)
			}
		}
		pl.rank()
		if pass == 0 {
			for i, n := range pl.needs {
				if n > 0 {
					pl.areas[i] = m.scratch(n)
				}
			}
		}
	}
	return pl.launches, nil
}

// Areas of scratch memory. Inputs of products have two of each: what makes one
// may read the other.
const (
	areaInput   = iota * 2 // prepared activations
	areaScales             // of int8
	areaSquares            // sums of them, for a norm
	areaParts              // of attention
	areaTiles              // of a matrix
	areas
)

type planner struct {
	memory
	p         *backend.Program
	tokens    int
	launches  []launch
	needs     [areas]int // bytes
	areas     [areas]uint64
	constants map[any]uint64 // by the node's slice they copy

	at     int       // the node
	ready  prepared  // the latest
	window *convArgs // of a convolution whose window has yet to move on
}

// area is scratch memory that lasts from one launch to those that read it.
func (pl *planner) area(i, bytes int) uint64 {
	pl.needs[i] = max(pl.needs[i], bytes)
	return pl.areas[i]
}

// add appends a launch; args is a kernel's argument struct.
func add[T any](pl *planner, kernel string, grid [3]int, block int, args T) {
	pl.launches = append(pl.launches, launch{
		kernel: kernel,
		grid:   [3]uint32{uint32(grid[0]), uint32(grid[1]), uint32(grid[2])},
		block:  [3]uint32{uint32(block), 1, 1},
		args:   unsafe.Pointer(&args),
		size:   int(unsafe.Sizeof(args)),
	})
}

// slice is the address of the first token's channels of s and the values from
// one token to the next.
func (pl *planner) slice(s backend.Slice) (uint64, int32) {
	return pl.value(s.V) + 4*uint64(s.Off), int32(pl.p.Widths[s.V])
}

// tensors gives the addresses of several.
func (pl *planner) tensors(ts ...*backend.Tensor) ([]uint64, error) {
	out := make([]uint64, len(ts))
	for i, t := range ts {
		var err error
		if out[i], err = pl.tensor(t); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// constantOf copies a node's slice to the device once.
func constantOf[T any](pl *planner, s []T) uint64 {
	if len(s) == 0 {
		return 0
	}
	key := any(&s[0])
	if _, ok := pl.constants[key]; !ok {
		pl.constants[key] = pl.constant(unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0]))))
	}
	return pl.constants[key]
}

func (pl *planner) node(n backend.Node) error {
	switch n := n.(type) {
	case *backend.Embed:
		return pl.embed(n)
	case *backend.MatMul:
		return pl.matMul(n)
	case *backend.GateUp:
		return pl.gateUp(n)
	case *backend.RopeStore:
		return pl.ropeStore(n)
	case *backend.Attend:
		return pl.attend(n)
	case *backend.Conv:
		return pl.conv(n)
	case *backend.Scan1:
		return pl.scan1(n)
	case *backend.Scan2:
		return pl.scan2(n)
	case *backend.Logits:
		return pl.head(n)
	}
	return fmt.Errorf("no kernel for %T", n)
}

func (pl *planner) embed(n *backend.Embed) error {
	table, err := pl.tensor(n.Table)
	if err != nil {
		return err
	}
	add(pl, "embed", [3]int{pl.tokens, 1, 1}, 256, embedArgs{table, pl.value(n.Out), pl.params(), int32(n.Table.Cols), int32(n.Table.Type)})
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

func bit(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
