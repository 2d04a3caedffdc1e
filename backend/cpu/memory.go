package cpu

import (
	"fmt"
	"unsafe"

	"github.com/edsrzf/mmap-go"
)

// fromSystem is the size from which memory is asked of the system directly: it
// says no with an error where the Go runtime would end the process, it comes
// zeroed page by page as it is used, and the collector never looks at it.
const fromSystem = 1 << 20

// allocate returns n zeroed bytes, aligned for every kernel.
func allocate(n int) (*buffer, error) {
	switch {
	case n == 0:
		return &buffer{}, nil
	case n < fromSystem:
		f := make([]float32, (n+3)/4)
		return &buffer{data: unsafe.Slice((*byte)(unsafe.Pointer(&f[0])), n)}, nil
	}
	m, err := mmap.MapRegion(nil, n, mmap.RDWR, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("%d MB of memory: %w", n>>20, err)
	}
	return &buffer{data: m, mapping: m}, nil
}

// buffer is host memory.
type buffer struct {
	data    []byte
	mapping mmap.MMap // set where the memory came from the system
}

func (b *buffer) Size() int { return len(b.data) }

func (b *buffer) Read(off int, p []byte) error {
	if off < 0 || off+len(p) > len(b.data) {
		return fmt.Errorf("cpu: read %d+%d of a buffer of %d bytes", off, len(p), len(b.data))
	}
	copy(p, b.data[off:])
	return nil
}

func (b *buffer) Write(off int, p []byte) error {
	if off < 0 || off+len(p) > len(b.data) {
		return fmt.Errorf("cpu: write %d+%d of a buffer of %d bytes", off, len(p), len(b.data))
	}
	copy(b.data[off:], p)
	return nil
}

func (b *buffer) Zero() error { clear(b.data); return nil }

func (b *buffer) Free() error {
	b.data = nil
	if b.mapping == nil {
		return nil
	}
	return b.mapping.Unmap()
}
