// Package host is the memory of backends that compute on the processor.
package host

import (
	"fmt"
	"os"
	"unsafe"

	"github.com/edsrzf/mmap-go"

	"github.com/mil-run/mil/backend"
)

// fromSystem is the size from which memory is asked of the system directly: it
// says no with an error where the Go runtime would end the process, it comes
// zeroed page by page as it is used, and the collector never looks at it.
const fromSystem = 1 << 20

// largePage is the unit on which such memory begins and ends, so that the
// system can use processors' large pages for all of it, or map a file's.
const largePage = 2 << 20

// Buffer is host memory.
type Buffer struct {
	data    []byte
	mapping mmap.MMap // set where the memory came from the system
	settled int       // bytes from the beginning that large pages were asked for
}

// Allocate returns n zeroed bytes, aligned to 64.
func Allocate(n int) (*Buffer, error) {
	b, err := Grow(n)
	if err == nil && b.mapping != nil {
		b.settled = n
		m := b.mapping[-int(uintptr(unsafe.Pointer(&b.mapping[0])))&(largePage-1):]
		huge(m[:(n+largePage/2)&^(largePage-1)]) // the last, where half of it is used
	}
	return b, err
}

// Grow is Allocate of memory that is used from its beginning on, perhaps never up
// to its end. It takes what is touched. [Buffer.Settle] asks for large pages.
func Grow(n int) (*Buffer, error) {
	switch {
	case n == 0:
		return &Buffer{}, nil
	case n < fromSystem:
		return &Buffer{data: Aligned(n)}, nil
	}
	m, err := mmap.MapRegion(nil, (n+largePage-1)&^(largePage-1)+largePage, private, mmap.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("%d MB of memory: %w", n>>20, err)
	}
	skip := -int(uintptr(unsafe.Pointer(&m[0]))) & (largePage - 1)
	small(m)
	return &Buffer{data: m[skip : skip+n : skip+n], mapping: m}, nil
}

// Settle asks for large pages where the first n bytes, which are in use, fill them.
// Asking before would take all of a large page for its first byte.
func (b *Buffer) Settle(n int) {
	if n &^= largePage - 1; b.mapping != nil && n > b.settled {
		collapse(b.data[b.settled:n])
		b.settled = n
	}
}

// Map makes memory a buffer without a copy.
func Map(data []byte) *Buffer { return &Buffer{data: data} }

// Aligned returns n zeroed bytes of the collector's, aligned to 64.
func Aligned(n int) []byte {
	b := make([]byte, n+63)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & 63
	return b[skip : skip+n : skip+n]
}

// Floats returns n zeroed float32 of the collector's, aligned to 64 bytes.
func Floats(n int) []float32 {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&Aligned(4 * n)[0])), n)
}

// Bytes is the memory itself.
func (b *Buffer) Bytes() []byte { return b.data }

// Host gives the buffer itself, also where another backend's buffer embeds it.
func (b *Buffer) Host() *Buffer { return b }

// Size implements [backend.Buffer].
func (b *Buffer) Size() int { return len(b.data) }

// Read implements [backend.Buffer].
func (b *Buffer) Read(off int, p []byte) error {
	if off < 0 || off+len(p) > len(b.data) {
		return fmt.Errorf("read %d+%d of a buffer of %d bytes", off, len(p), len(b.data))
	}
	copy(p, b.data[off:])
	return nil
}

// Write implements [backend.Buffer].
func (b *Buffer) Write(off int, p []byte) error {
	if off < 0 || off+len(p) > len(b.data) {
		return fmt.Errorf("write %d+%d of a buffer of %d bytes", off, len(p), len(b.data))
	}
	copy(b.data[off:], p)
	return nil
}

// Zero implements [backend.Buffer].
func (b *Buffer) Zero() error { clear(b.data); return nil }

// Free implements [backend.Buffer].
func (b *Buffer) Free() error {
	b.data = nil
	if b.mapping == nil {
		return nil
	}
	return b.mapping.Unmap()
}

// MapFile implements [backend.FileMapper].
func (b *Buffer) MapFile(off int, f *os.File, at int64, n int) error {
	if off < 0 || n < 0 || off+n > len(b.data) {
		return fmt.Errorf("map %d+%d of a buffer of %d bytes", off, n, len(b.data))
	}
	to := b.data[off : off+n]
	page := os.Getpagesize()
	first := -int(uintptr(unsafe.Pointer(unsafe.SliceData(to)))) & (page - 1) // whole pages begin there
	whole := (n - first) &^ (page - 1)
	if b.mapping == nil || whole <= 0 || int(at+int64(first))&(page-1) != 0 || mapOver(to[first:first+whole], f, at+int64(first)) != nil {
		first, whole = 0, 0
	}
	for _, part := range [][2]int{{0, first}, {first + whole, n}} {
		if _, err := f.ReadAt(to[part[0]:part[1]], at+int64(part[0])); err != nil {
			return err
		}
	}
	return nil
}

// Tensor is a weight's memory.
func Tensor(t *backend.Tensor) ([]byte, error) {
	h, ok := t.Buf.(interface{ Host() *Buffer })
	if !ok {
		return nil, fmt.Errorf("%s lies in another backend's memory", t.Name)
	}
	s, ok := t.Type.Spec()
	if !ok {
		return nil, fmt.Errorf("%s has %v, which no kernel reads", t.Name, t.Type)
	}
	if t.Cols%s.Block != 0 {
		return nil, fmt.Errorf("%s: rows of %d cannot be %s", t.Name, t.Cols, s.Name)
	}
	b := h.Host()
	end := t.Off + t.Bytes()
	if t.Off < 0 || end > len(b.data) {
		return nil, fmt.Errorf("%s ends %d bytes past its buffer", t.Name, end-len(b.data))
	}
	return b.data[t.Off:end:end], nil
}

// Vector is a small tensor's values, unpacked.
func Vector(t *backend.Tensor) ([]float32, error) {
	b, err := Tensor(t)
	if err != nil {
		return nil, err
	}
	s, _ := t.Type.Spec()
	v := Floats(t.Rows * t.Cols)
	s.Unpack(v, b)
	return v, nil
}

// Vectors unpacks several at once.
func Vectors(ts ...*backend.Tensor) ([][]float32, error) {
	out := make([][]float32, len(ts))
	for i, t := range ts {
		v, err := Vector(t)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// NewSequence allocates the memory of a sequence. Caches that grow take what is
// touched.
func NewSequence(states []*backend.State) (*backend.Sequence, error) {
	return backend.NewSequence(states, func(s *backend.State) (backend.Buffer, error) {
		if s.Kind == backend.StateKV && s.Ring == 0 {
			return Grow(s.Bytes)
		}
		return Allocate(s.Bytes)
	})
}

// State is a state's memory in a sequence.
func State(q *backend.Sequence, s *backend.State) []byte {
	return q.Buffer(s).(*Buffer).data[:s.Bytes]
}

// Check says why a program does not hold a pass, or why a sequence has no memory
// here.
func Check(g *backend.Program, p *backend.Params) error {
	if err := p.Check(g); err != nil {
		return err
	}
	for i := range p.Segments {
		for _, s := range g.States {
			if b, ok := p.Segments[i].Seq.Buffer(s).(*Buffer); !ok || len(b.data) < s.Bytes {
				return fmt.Errorf("state %s has no memory here", s.Name)
			}
		}
	}
	return nil
}

// StateFloats is a state's memory in a sequence as float32.
func StateFloats(q *backend.Sequence, s *backend.State) []float32 {
	b := State(q, s)
	if len(b) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)
}

// Holds says why a state is too small for n float32.
func Holds(s *backend.State, n int) error {
	if s.Bytes < 4*n {
		return fmt.Errorf("state %s holds %d bytes, %d are needed", s.Name, s.Bytes, 4*n)
	}
	return nil
}
