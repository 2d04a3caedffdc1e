package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// mapping is host memory with the copies the device has of tensors in it.
// A tensor is copied once, when the first program that reads it is compiled.
type mapping struct {
	first   *byte
	users   int            // buffers
	arenas  []uint64       // device allocations
	tensors map[int]uint64 // device addresses by offset
}

// mapped is a buffer of [Backend.Map]: the host's memory as it lies, which a
// backend of the host may read as well.
type mapped struct {
	*host.Buffer
	b *Backend
	m *mapping
}

// Map implements [backend.Backend]. Nothing is copied before a program needs it,
// and a copy stays until the last buffer of the same memory is freed.
func (b *Backend) Map(memory []byte) (backend.Buffer, error) {
	key := unsafe.SliceData(memory)
	m := b.weights[key]
	if m == nil {
		m = &mapping{first: key, tensors: map[int]uint64{}}
		b.weights[key] = m
	}
	m.users++
	return &mapped{host.Map(memory), b, m}, nil
}

// Free implements [backend.Buffer].
func (m *mapped) Free() error {
	err := m.Buffer.Free()
	if m.m == nil {
		return err
	}
	m.m.users--
	if m.m.users == 0 {
		delete(m.b.weights, m.m.first)
		err = errors.Join(err, m.b.do(func() error { return m.b.drop(m.m) }))
	}
	m.m = nil
	return err
}

// drop frees a mapping's copies, within do.
func (b *Backend) drop(m *mapping) error {
	var errs []error
	for _, p := range m.arenas {
		errs = append(errs, b.d.MemFree(p))
	}
	return errors.Join(errs...)
}

// mappingOf is where a tensor lies.
func (b *Backend) mappingOf(t *backend.Tensor) (*mapping, error) {
	m, ok := t.Buf.(*mapped)
	if !ok || m.b != b || m.m == nil {
		return nil, fmt.Errorf("%s lies in another backend's memory", t.Name)
	}
	return m.m, nil
}
