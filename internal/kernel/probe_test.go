package kernel

import (
	"fmt"
	"testing"
	"unsafe"
)

// Every probe reads every byte, and multiplies as often as it says.
func TestProbes(t *testing.T) {
	for _, s := range Sets() {
		out := make([]int32, s.Lanes)
		for _, places := range []int{1, 2, 4} {
			const size, far = 2 * ReadUnit, 3 * ReadUnit
			name := fmt.Sprint("probeRead", places)
			b := make([]byte, places*far)
			for i := range b {
				b[i] = 0xff
				s.must(name)(unsafe.Pointer(&readArgs{p: unsafe.Pointer(&b[0]), far: far, size: size, out: unsafe.Pointer(&out[0])}))
				sum := int32(0)
				for _, v := range out {
					sum |= v
				}
				if read := sum == 0xff<<(i%4*8) || sum == -1<<24; read != (i%far < size) {
					t.Fatalf("%s %s: byte %d: read is %v: %x", s.Name, name, i, read, sum)
				}
				b[i] = 0
			}
		}
		s.must("probeMultiply")(unsafe.Pointer(&multiplyArgs{n: 5, out: unsafe.Pointer(&out[0])}))
		for _, v := range out {
			if v != 5*12*4 {
				t.Fatalf("%s: a lane summed %d products, want %d", s.Name, v, 5*12*4)
			}
		}
		p := s.Probes()
		if n := p.Multiply(1000); n < 1000 || n > 1000+12*4*s.Lanes {
			t.Errorf("%s: %d multiply-adds of 1000", s.Name, n)
		}
		for _, read := range p.Reads {
			read.From(make([]byte, read.Places*2*ReadUnit), 2*ReadUnit, 2*ReadUnit)
			read.From(nil, 0, 0)
		}
	}
}
