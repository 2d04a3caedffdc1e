package cuda

import (
	"fmt"
	"unsafe"
)

// buffer is memory of the device that a session reads and writes.
type buffer struct {
	b       *Backend
	address uint64
	size    int
}

// Size implements [backend.Buffer].
func (m *buffer) Size() int { return m.size }

// Read implements [backend.Buffer].
func (m *buffer) Read(off int, p []byte) error {
	return m.each("read", off, p, func(staging unsafe.Pointer, at uint64, part []byte) error {
		if err := m.b.d.MemcpyDtoHAsync(staging, at, len(part), m.b.stream); err != nil {
			return err
		}
		if err := m.b.d.StreamSynchronize(m.b.stream); err != nil {
			return err
		}
		copy(part, unsafe.Slice((*byte)(staging), len(part)))
		return nil
	})
}

// Write implements [backend.Buffer].
func (m *buffer) Write(off int, p []byte) error {
	return m.each("write", off, p, func(staging unsafe.Pointer, at uint64, part []byte) error {
		copy(unsafe.Slice((*byte)(staging), len(part)), part)
		if err := m.b.d.MemcpyHtoDAsync(at, staging, len(part), m.b.stream); err != nil {
			return err
		}
		return m.b.d.StreamSynchronize(m.b.stream)
	})
}

// transfer is the most bytes a read or write moves at once.
const transfer = 4 << 20

// each cuts a transfer into parts that fit pinned memory.
func (m *buffer) each(verb string, off int, p []byte, move func(staging unsafe.Pointer, at uint64, part []byte) error) error {
	if off < 0 || off+len(p) > m.size {
		return fmt.Errorf("%s %d+%d of a buffer of %d bytes", verb, off, len(p), m.size)
	}
	if len(p) == 0 {
		return nil
	}
	return m.b.do(func() (err error) {
		staging, err := m.b.staging()
		if err != nil {
			return err
		}
		for at := 0; at < len(p); at += transfer {
			part := p[at:min(at+transfer, len(p))]
			if err := move(staging, m.address+uint64(off+at), part); err != nil {
				return err
			}
		}
		return nil
	})
}

// Zero implements [backend.Buffer].
func (m *buffer) Zero() error {
	if m.size == 0 {
		return nil
	}
	return m.b.do(func() error {
		if err := m.b.d.MemsetD8Async(m.address, 0, m.size, m.b.stream); err != nil {
			return err
		}
		return m.b.d.StreamSynchronize(m.b.stream)
	})
}

// Free implements [backend.Buffer].
func (m *buffer) Free() error {
	return m.b.do(func() error { return m.b.d.MemFree(m.address) })
}
