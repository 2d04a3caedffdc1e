package kernel

import (
	"fmt"
	"unsafe"
)

// Probes measure what the machine can do at most.
type Probes struct {
	// Reads are ways to read memory; which is the fastest depends on the machine.
	Reads []func(b []byte)
	// Multiply makes that many multiply-adds of bytes at least and says how many
	// it made.
	Multiply func(n int) int
}

// readUnit is what the size of a read must be a multiple of.
const readUnit = 4 << 10

type readArgs struct {
	p           unsafe.Pointer
	size, ahead int
	out         unsafe.Pointer
}

type multiplyArgs struct {
	n   int
	out unsafe.Pointer
}

// Probes are for one thread; the last bytes of a read that make no unit of 4 KB
// are left out.
func (s *Set) Probes() *Probes {
	p := &Probes{}
	out := make([]int32, s.Lanes)
	for _, streams := range []int{1, 2, 4} {
		run := s.must(fmt.Sprint("probeRead", streams))
		for _, ahead := range []int{0, 4 << 10, 16 << 10} {
			args := &readArgs{ahead: ahead, out: unsafe.Pointer(&out[0])}
			p.Reads = append(p.Reads, func(b []byte) {
				if len(b) < readUnit {
					return
				}
				args.p, args.size = unsafe.Pointer(&b[0]), len(b)&^(readUnit-1)
				run(unsafe.Pointer(args))
			})
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
