package kernel

import (
	"fmt"
	"unsafe"
)

// Probes measure the highest rates of the machine.
type Probes struct {
	// Reads are ways to read memory; which is the fastest depends on the machine.
	Reads []Read
	// Multiply makes that many multiply-adds of bytes at least and says how many
	// it made.
	Multiply func(n int) int
}

// Read is a way to read memory, in several places side by side.
type Read struct {
	Places int
	// From reads size bytes of each place; b begins with the first, and the next
	// ones lie far bytes on.
	From func(b []byte, far, size int)
}

// ReadUnit is the unit of the size of a read.
const ReadUnit = 128

type readArgs struct {
	p                unsafe.Pointer
	far, size, ahead int
	out              unsafe.Pointer
}

type multiplyArgs struct {
	n   int
	out unsafe.Pointer
}

// Probes are for one thread.
func (s *Set) Probes() *Probes {
	p := &Probes{}
	out := make([]int32, s.Lanes)
	for _, places := range []int{1, 2, 4} {
		run := s.must(fmt.Sprint("probeRead", places))
		for _, ahead := range []int{0, 4 << 10, 16 << 10} {
			args := &readArgs{ahead: ahead, out: unsafe.Pointer(&out[0])}
			p.Reads = append(p.Reads, Read{places, func(b []byte, far, size int) {
				if size <= 0 {
					return
				}
				_ = b[(places-1)*far+size-1]
				args.p, args.far, args.size = unsafe.Pointer(&b[0]), far, size
				run(unsafe.Pointer(args))
			}})
		}
	}
	run, args, each := s.must("probeMultiply"), &multiplyArgs{out: unsafe.Pointer(&out[0])}, 12*4*s.Lanes
	p.Multiply = func(n int) int {
		args.n = max(1, (n+each-1)/each)
		run(unsafe.Pointer(args))
		return args.n * each
	}
	return p
}
