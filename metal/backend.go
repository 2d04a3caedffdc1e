package metal

import (
	"errors"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// Why there may be no Metal here. Both say that nothing is wrong with this
// machine: it has none, or no GPU is visible.
var (
	ErrAbsent   = errors.New("no Metal")
	ErrNoDevice = errors.New("no GPU that Metal sees")
)

// ErrMemory is wrapped when the memory does not suffice.
var ErrMemory = gpu.ErrMemory

// Backend implements [backend.Backend] on one machine.
type Backend struct {
	m       machine
	chip    gpu.Chip
	weights map[*byte]*mapping // by the mapped memory's first byte
}

// Open starts a backend on the system's GPU.
func Open() (*Backend, error) {
	o, err := openSystem()
	if err != nil {
		return nil, err
	}
	g, err := newGPU(o, module)
	if err != nil {
		return nil, err
	}
	return newBackend(g), nil
}

// newBackend computes on any machine, which is closed with it. Plans are for its
// family, or the newest before it that is known.
func newBackend(m machine) *Backend {
	b := &Backend{m, Chips[0], map[*byte]*mapping{}}
	for _, c := range Chips {
		if c.Level <= m.limits().family {
			b.chip = c
		}
	}
	return b
}

// Name implements [backend.Backend].
func (b *Backend) Name() string { return "metal" }

// NewSequence implements [backend.Backend].
func (b *Backend) NewSequence(states []*backend.State) (*backend.Sequence, error) {
	return backend.NewSequence(states, func(s *backend.State) (backend.Buffer, error) { return b.alloc(s.Bytes) })
}

// alloc returns n zeroed bytes.
func (b *Backend) alloc(n int) (backend.Buffer, error) {
	m, err := b.m.allocate(n)
	if err != nil {
		return nil, err
	}
	return &buffer{b, m}, nil
}

// Free implements [split.Device]: bytes that may still be used without pushing
// out what else runs here.
func (b *Backend) Free() (int64, error) {
	l := b.m.limits()
	return max(0, l.working-l.allocated), nil
}

// Close frees the wrapped memory and gives the GPU back. Execs and buffers must have
// been closed before.
func (b *Backend) Close() error {
	var errs []error
	for _, m := range b.weights {
		errs = append(errs, m.free())
	}
	clear(b.weights)
	return errors.Join(append(errs, b.m.close())...)
}
