package cuda

import (
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// planMemory is the [memory] of one plan of an exec.
type planMemory struct {
	e     *exec
	owned []uint64
	err   error // the first allocation that failed
}

func (m *planMemory) tensor(t *backend.Tensor) (uint64, error) {
	from, err := m.e.b.mappingOf(t)
	if err != nil {
		return 0, err
	}
	p, ok := from.tensors[t.Off]
	if !ok {
		return 0, fmt.Errorf("%s is not on the device", t.Name)
	}
	return p, nil
}

func (m *planMemory) state(s *backend.State) (uint64, error) {
	b, ok := s.Buf.(*buffer)
	switch {
	case !ok || b.b != m.e.b:
		return 0, fmt.Errorf("state %s lies in another backend's memory", s.Name)
	case b.size < s.Bytes:
		return 0, fmt.Errorf("state %s holds %d bytes, %d are needed", s.Name, b.size, s.Bytes)
	}
	return b.address, nil
}

func (m *planMemory) value(v backend.Value) uint64 { return m.e.address(v) }
func (m *planMemory) capability() int              { return m.e.b.device.cc }
func (m *planMemory) processors() int              { return m.e.b.device.processors }
func (m *planMemory) shared() int                  { return m.e.b.device.shared }
func (m *planMemory) params() uint64               { return m.e.block }
func (m *planMemory) logits() uint64               { return m.e.rows }
func (m *planMemory) best() uint64                 { return m.e.ranks }

func (m *planMemory) scratch(bytes int) uint64 {
	if m.err != nil {
		return 0
	}
	var p uint64
	m.err = m.e.b.do(func() (err error) {
		p, err = m.e.b.allocate(bytes)
		return err
	})
	if m.err == nil {
		m.owned = append(m.owned, p)
	}
	return p
}

func (m *planMemory) constant(data []byte) uint64 {
	p := m.scratch(len(data))
	if m.err == nil {
		b := &buffer{m.e.b, p, len(data)}
		m.err = b.Write(0, data)
	}
	return p
}

// staging is pinned memory for reads and writes of buffers, within do.
func (b *Backend) staging() (unsafe.Pointer, error) {
	var err error
	if b.pinned == nil {
		b.pinned, err = b.d.MemHostAlloc(transfer)
	}
	return b.pinned, err
}
