package gpu

import (
	"slices"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// Planner is a plan under way.
type Planner struct {
	*Schedule
	P      *backend.Program
	Tokens int // of a pass
	Chip   Chip
	At     int // the node that is planned

	layout    *backend.Plan
	constants map[any]Ref // by the node's slice they come from
}

// Launch appends a launch. args is the kernel's argument struct, see [Pack]. refs
// are the memories of a kernel that takes them beside it.
func (pl *Planner) Launch(kernel string, grid [3]int, block int, args any, refs ...Ref) *Launch {
	data, held, at := Pack(args)
	pl.Launches = append(pl.Launches, Launch{
		Kernel: kernel,
		Grid:   [3]uint32{uint32(grid[0]), uint32(grid[1]), uint32(grid[2])},
		Block:  [3]uint32{uint32(block), 1, 1},
		Args:   data,
		Refs:   append(held, refs...),
		At:     at,
	})
	return &pl.Launches[len(pl.Launches)-1]
}

// Slice is the memory of s for the pass's tokens, and the number of values from
// one token to the next.
func (pl *Planner) Slice(s backend.Slice) (Ref, int32) {
	width := pl.P.Widths[s.V]
	return Ref{Area: Values, Off: 4 * (pl.layout.Offset[s.V] + s.Off), Bytes: 4 * ((pl.Tokens-1)*width + s.N)}, int32(width)
}

// Value is Slice of all of v.
func (pl *Planner) Value(v backend.Value) (Ref, int32) {
	return pl.Slice(backend.Slice{V: v, N: pl.P.Widths[v]})
}

// Rows is the memory of n rows of logits, and the number of values from one
// to the next.
func (pl *Planner) Rows(n int) (Ref, int32) {
	return Ref{Area: Logits, Bytes: 4 * n * pl.P.Vocab}, int32(pl.P.Vocab)
}

// Few reports whether a node's products are those of few rows, as all are in a
// logged program, and a head for few rows in any. Kernels are chosen by the program
// and never by the number of tokens, so that a row has the same bits in a pass of
// any length.
func (pl *Planner) Few(head bool) bool {
	return pl.P.Logged || head && pl.P.LogitRows <= backend.MaxVerify
}

// Block is the parameter block.
func (pl *Planner) Block() Ref { return Ref{Area: Params, Bytes: 4 * ParamWords(pl.P)} }

// Reserve is memory of the area Scratch+i, which must last from the launch that
// writes it to those that read it.
func (pl *Planner) Reserve(i, bytes int) Ref {
	for len(pl.Scratch) <= i {
		pl.Scratch = append(pl.Scratch, 0)
	}
	pl.Scratch[i] = max(pl.Scratch[i], bytes)
	return Ref{Area: Scratch + Area(i), Bytes: bytes}
}

// Constant is a copy of a node's slice, made once. An empty slice has none.
func Constant[T any](pl *Planner, s []T) Ref {
	if len(s) == 0 {
		return Ref{}
	}
	return ConstantFrom(pl, &s[0], s)
}

// ConstantFrom is Constant of values that were made of a node's slice, whose first
// element is at by.
func ConstantFrom[F, T any](pl *Planner, by *F, s []T) Ref {
	if _, ok := pl.constants[by]; !ok {
		size := len(s) * int(unsafe.Sizeof(s[0]))
		pl.constants[by] = Ref{Area: Constants, Off: len(pl.Constants), Bytes: size}
		pl.Constants = append(pl.Constants, unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), size)...)
		for len(pl.Constants)%Align != 0 {
			pl.Constants = append(pl.Constants, 0)
		}
	}
	return pl.constants[by]
}

// Readers is how many nodes, or callers, read a value.
func (pl *Planner) Readers(v backend.Value) (n int) {
	for _, node := range pl.P.Nodes {
		if slices.Contains(node.Reads(), v) {
			n++
		}
	}
	if slices.Contains(pl.P.Outputs, v) {
		n++
	}
	return n
}

// ScanReads reports whether a scan comes before the next convolution and reads
// v, so that v is still there when it runs and the window can move on then.
func (pl *Planner) ScanReads(v backend.Value) bool {
	for _, n := range pl.P.Nodes[pl.At+1:] {
		switch n.(type) {
		case *backend.Conv:
			return false
		case *backend.Scan1, *backend.Scan2, *backend.DeltaScan:
			return slices.Contains(n.Reads(), v)
		}
	}
	return false
}

// Window is a convolution whose window has yet to move on, if any: the scan that
// follows takes it. A is the kernels' arguments of a convolution.
type Window[A any] struct {
	args  *A
	width int // of the convolution's input
}

// Keep leaves a window to the scan.
func (w *Window[A]) Keep(args A, width int) { w.args, w.width = &args, width }

// Args are the convolution's, or none's.
func (w *Window[A]) Args() (args A) {
	if w.args != nil {
		args = *w.args
	}
	return args
}

// Take gives the window to move on, and how many blocks of WindowBlock threads that
// takes.
func (w *Window[A]) Take() (args A, blocks int) {
	args, blocks = w.Args(), Ceil(w.width, WindowBlock)
	*w = Window[A]{}
	return args, blocks
}

// WindowBlock is how many values a block moves on or logs.
const WindowBlock = 256

// LogBlocks is how many blocks log n values of each token.
func (pl *Planner) LogBlocks(width int) int {
	if !pl.P.Logged {
		return 0
	}
	return Ceil(width, WindowBlock)
}

// Ceil is a/b, rounded up.
func Ceil(a, b int) int { return (a + b - 1) / b }

// Double is the first of least, 2*least, 4*least, ... that holds n.
func Double(least, n int) int {
	for least < n {
		least *= 2
	}
	return least
}

// Bit is a flag of a kernel.
func Bit(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
