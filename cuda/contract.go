package cuda

import (
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// launch is one kernel on the stream.
type launch struct {
	kernel      string
	grid, block [3]uint32
	shared      uint32         // bytes of dynamic shared memory
	args        unsafe.Pointer // to a struct passed by value as the kernel's only parameter
	size        int            // of that struct
	what        string         // more of what it does than its name says, for people
}

// memory gives the device addresses a plan needs. What cannot be allocated has
// address 0, and fails the compilation after planning.
type memory interface {
	tensor(*backend.Tensor) (uint64, error) // 256-aligned, 256 readable bytes behind it
	state(*backend.State) (uint64, error)
	value(backend.Value) uint64  // float32 [tokens][width]
	capability() int             // of the device, 75 for 7.5
	processors() int             // multiprocessors of the device
	shared() int                 // bytes of shared memory a block may have
	params() uint64              // the parameter block, see the constants below
	logits() uint64              // float32 [rows][vocabulary]
	best() uint64                // of each row rankWords, in host memory, see launch_rank.go
	scratch(bytes int) uint64    // zeroed, living as long as the plan
	constant(data []byte) uint64 // a copy of data, 256-aligned, living as long as the plan
}

// The parameter block, int32.
const (
	paramPos = iota
	paramReplay
	paramLogits
	paramCount // tokens in the pass
	paramShift
	paramRanked           // 1: the best of the rows are wanted
	paramTemperature      // float32
	paramPenalty          // float32
	paramRecent           // tokens before the pass that the penalty looks at
	paramTokens      = 16 // behind them, in short programs, backend.RankWindow recent ones
)
