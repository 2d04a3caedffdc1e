// Package metal is the backend for GPUs of Apple Silicon. It needs macOS and
// nothing else: Metal.framework and the Objective-C runtime are opened when a
// backend is, the kernels travel inside the binary as source.
package metal

// machine executes dispatches on memory that the host shares with it. Metal is
// one ([open]); a stand-in that runs the kernels on the processor is another.
// Its methods are called from one goroutine.
type machine interface {
	limits() limits
	// function finds a kernel by name, compiling its source where that is still
	// to be done.
	function(name string) (function, error)
	// allocate gives n zeroed bytes.
	allocate(n int) (memory, error)
	// wrap makes host memory readable to kernels, without a copy where it begins
	// on a page; data must stay as it is until the memory is freed.
	wrap(data []byte) (memory, error)
	// run executes dispatches one after the other, each seeing the data that those before
	// it wrote, and waits for the last.
	run(dispatches []dispatch) error
	close() error
}

// function is a kernel of a machine.
type function uintptr

// limits of a machine.
type limits struct {
	buffer    int   // bytes of one memory at most
	working   int64 // bytes that may be in use at once without harm
	allocated int64 // of them, in use now
	page      int   // bytes wrap cuts memory by
	family    int   // of the GPU, 7 for Apple7; 0 where that is not known
}

// memory is shared by a machine and the host.
type memory interface {
	// bytes is the memory as the host sees it.
	bytes() []byte
	free() error
}

// dispatch is one kernel on its way to a machine.
type dispatch struct {
	function function
	kernel   string    // for messages
	grid     [3]uint32 // threadgroups
	block    [3]uint32 // threads of one
	buffers  []binding
	args     []byte // the argument struct, at index 0, at most maxArgs
}

// binding is memory, from off on, as a kernel's argument.
type binding struct {
	index  uint32 // [[buffer(index)]]
	memory memory
	off    int
	bytes  int // from off on that the kernel may touch
}

// maxArgs is the most bytes of an argument that Metal copies.
const maxArgs = 4096
