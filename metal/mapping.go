package metal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// mapping is host memory and the parts of it that are readable to the machine:
// all at once where one piece of the machine's memory may be that long, else as
// many windows as the tensors that are read need.
type mapping struct {
	data    []byte
	users   int // buffers
	windows []window
}

// window is a part of a mapping, from off on.
type window struct {
	off    int
	memory memory
}

// mapped is a buffer of [Backend.Map]: the host's memory as it lies, which a
// backend of the host may read as well.
type mapped struct {
	*host.Buffer
	b *Backend
	m *mapping
}

// Map implements [backend.Backend]. Nothing is wrapped before a program needs it.
func (b *Backend) Map(data []byte) (backend.Buffer, error) {
	if len(data) == 0 {
		return nil, errors.New("metal: no memory to map")
	}
	key := &data[0]
	m := b.weights[key]
	if m == nil {
		m = &mapping{data: data}
		b.weights[key] = m
	}
	m.users++
	return &mapped{host.Map(data), b, m}, nil
}

// Free implements [backend.Buffer].
func (m *mapped) Free() error {
	err := m.Buffer.Free()
	if m.m == nil {
		return err
	}
	m.m.users--
	if m.m.users == 0 {
		delete(m.b.weights, &m.m.data[0])
		err = errors.Join(err, m.m.free())
	}
	m.m = nil
	return err
}

func (m *mapping) free() error {
	var errs []error
	for _, w := range m.windows {
		errs = append(errs, w.memory.free())
	}
	m.windows = nil
	return errors.Join(errs...)
}

// place finds a tensor's bytes in the machine's memory, checking type, shape and
// bounds.
func (b *Backend) place(t *backend.Tensor) (memory, int, error) {
	buf, ok := t.Buf.(*mapped)
	if !ok || buf.b != b || buf.m == nil {
		return nil, 0, fmt.Errorf("%s lies in another backend's memory", t.Name)
	}
	data, err := host.Tensor(t)
	if err != nil {
		return nil, 0, err
	}
	w, err := buf.m.window(b.m, t.Off, len(data))
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", t.Name, err)
	}
	return w.memory, t.Off - w.off, nil
}

// window gives a window that holds n bytes from off, made where there is none:
// as long as it may be, so that few are needed.
func (m *mapping) window(on machine, off, n int) (window, error) {
	holds := func(w window) bool { return w.off <= off && off+n <= w.off+len(w.memory.bytes()) }
	if i := slices.IndexFunc(m.windows, holds); i >= 0 {
		return m.windows[i], nil
	}
	l := on.limits()
	longest := l.buffer / l.page * l.page
	var w window
	if len(m.data) > longest {
		w.off = off / l.page * l.page
	}
	end := min(len(m.data), w.off+longest)
	if off+n > end {
		return w, fmt.Errorf("%w: %s in one piece are needed, at most %s are possible", ErrMemory, megabytes(int64(n)), megabytes(int64(longest)))
	}
	var err error
	if w.memory, err = on.wrap(m.data[w.off:end]); err != nil {
		return w, err
	}
	m.windows = append(m.windows, w)
	return w, nil
}
