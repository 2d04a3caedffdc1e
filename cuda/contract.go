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
}

// memory gives the device addresses a plan needs. What cannot be allocated has
// address 0, and fails the compilation after planning.
type memory interface {
	tensor(*backend.Tensor) (uint64, error) // 256-aligned, 256 readable bytes behind it
	state(*backend.State) (uint64, error)
	value(backend.Value) uint64  // float32 [tokens][width]
	capability() int             // of the device, 75 for 7.5
	params() uint64              // the parameter block, see the constants below
	logits() uint64              // float32 [rows][vocabulary]
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
	paramTokens = 16
)
