package metal

import "fmt"

// buffer is memory that a session reads and writes: the host's as much as the
// machine's, which runs nothing meanwhile.
type buffer struct {
	b *Backend
	m memory // nil when it was freed
}

// Size implements [backend.Buffer].
func (b *buffer) Size() int { return len(b.m.bytes()) }

// Read implements [backend.Buffer].
func (b *buffer) Read(off int, p []byte) error {
	part, err := b.part("read", off, len(p))
	copy(p, part)
	return err
}

// Write implements [backend.Buffer].
func (b *buffer) Write(off int, p []byte) error {
	part, err := b.part("write", off, len(p))
	copy(part, p)
	return err
}

func (b *buffer) part(verb string, off, n int) ([]byte, error) {
	if off < 0 || off+n > b.Size() {
		return nil, fmt.Errorf("%s %d+%d of a buffer of %d bytes", verb, off, n, b.Size())
	}
	return b.m.bytes()[off : off+n], nil
}

// Zero implements [backend.Buffer].
func (b *buffer) Zero() error {
	clear(b.m.bytes())
	return nil
}

// Free implements [backend.Buffer].
func (b *buffer) Free() error {
	if b.m == nil {
		return nil
	}
	m := b.m
	b.m = nil
	return m.free()
}
