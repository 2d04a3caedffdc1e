package metal

import "github.com/mil-run/mil/backend/host"

// buffer is memory that a session reads and writes: the host's as much as the
// machine's, which runs nothing while it is read.
type buffer struct {
	*host.Buffer
	b *Backend
	m memory
}

func newBuffer(b *Backend, m memory) *buffer { return &buffer{host.Map(m.bytes()), b, m} }

// Free implements [backend.Buffer].
func (b *buffer) Free() error {
	if b.m == nil {
		return nil
	}
	m := b.m
	b.m = nil
	b.Buffer.Free()
	return m.free()
}
