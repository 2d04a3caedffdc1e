package metal

import (
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// schedule is a program's passes of one number of tokens, as kernels. Planning needs
// no device: refs say what memory is meant, and whoever runs it has it.
type schedule struct {
	launches  []launch
	ranking   int    // launches at the end that rank rows, left out where nobody asks
	scratch   int    // bytes
	constants []byte // the same for every number of tokens
}

// launch is one kernel of a pass: its argument struct at index 0, the parameter
// block at 1, the memories behind.
type launch struct {
	kernel      string
	grid, block [3]uint32
	args        []byte
	refs        []ref
}

// Indices of what every kernel takes (CONTRACT.md).
const (
	indexArgs = iota
	indexParams
	indexRefs
)

// The parameter block, int32.
const (
	paramPos = iota
	paramReplay
	paramLogits
	paramCount // tokens in the pass
	paramShift
	paramTemperature // float32, of the ranking
	paramPenalty     // float32
	paramRecent      // tokens before the pass that the penalty may look at
	paramTokens      = 16
)

// area is memory of a program's own.
type area int

const (
	areaParams area = iota
	areaValues
	areaLogits
	areaBest // of each row: float32 [backend.Ranked], int32 [backend.Ranked], a float32 sum
	areaConstants
	areaScratch // what lasts from one launch to the next ones of its node
	areas
)

// ref names memory: a tensor's, a state's, or from off on in an area.
type ref struct {
	tensor *backend.Tensor
	state  *backend.State
	area   area
	off    int
	bytes  int
}

// unused is bound where a kernel's argument is not needed.
var unused = ref{area: areaParams, bytes: 4 * paramTokens}

// plan turns a program into launches for passes of exactly tokens tokens; what
// changes from pass to pass stands in the parameter block.
func plan(p *backend.Program, tokens int) (*schedule, error) {
	pl := &planner{p: p, tokens: tokens, layout: backend.PlanValues(p), schedule: &schedule{}, constants: map[any]ref{}}
	for i, n := range p.Nodes {
		pl.at = i
		if err := pl.node(n); err != nil {
			return nil, fmt.Errorf("node %d: %w", i, err)
		}
	}
	pl.rank()
	return pl.schedule, nil
}

type planner struct {
	*schedule
	p         *backend.Program
	tokens    int
	layout    *backend.Plan
	constants map[any]ref // by the node's slice they come from
	at        int         // the node
	window    *movedWindow
}

// add appends a launch; args is the kernel's argument struct.
func add[T any](pl *planner, kernel string, grid [3]int, block int, args T, refs ...ref) {
	pl.launches = append(pl.launches, launch{
		kernel: kernel,
		grid:   [3]uint32{uint32(grid[0]), uint32(grid[1]), uint32(grid[2])},
		block:  [3]uint32{uint32(block), 1, 1},
		args:   unsafe.Slice((*byte)(unsafe.Pointer(&args)), unsafe.Sizeof(args)),
		refs:   refs,
	})
}

// slice is the memory of s for the pass's tokens, and the values from one token
// to the next.
func (pl *planner) slice(s backend.Slice) (ref, int32) {
	width := pl.p.Widths[s.V]
	return ref{area: areaValues, off: 4 * (pl.layout.Offset[s.V] + s.Off), bytes: 4 * ((pl.tokens-1)*width + s.N)}, int32(width)
}

func (pl *planner) value(v backend.Value) (ref, int32) {
	return pl.slice(backend.Slice{V: v, N: pl.p.Widths[v]})
}

// tensor is a weight's memory, which must hold what its type and shape say.
func tensor(t *backend.Tensor) ref { return ref{tensor: t, bytes: t.Bytes()} }

func state(s *backend.State) ref { return ref{state: s, bytes: s.Bytes} }

// scratch is memory until the node's last launch.
func (pl *planner) scratch(bytes int) ref {
	pl.schedule.scratch = max(pl.schedule.scratch, bytes)
	return ref{area: areaScratch, bytes: bytes}
}

// constant is a copy of a node's slice, made once: by, the slice's first element,
// is what it is known by.
func constant[T any](pl *planner, by any, s []T) ref {
	if len(s) == 0 {
		return unused
	}
	if _, ok := pl.constants[by]; !ok {
		size := len(s) * int(unsafe.Sizeof(s[0]))
		pl.constants[by] = ref{area: areaConstants, off: len(pl.schedule.constants), bytes: size}
		pl.schedule.constants = append(pl.schedule.constants, unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), size)...)
		for len(pl.schedule.constants)%constantAlign != 0 {
			pl.schedule.constants = append(pl.schedule.constants, 0)
		}
	}
	return pl.constants[by]
}

const constantAlign = 16

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
	out, _ := pl.value(n.Out)
	add(pl, "embed", [3]int{ceil(n.Table.Cols, 256), pl.tokens, 1}, 256, embedArgs{int32(n.Table.Cols), int32(n.Table.Type)}, tensor(n.Table), out)
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

func bit(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
