package cuda

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// launch is one kernel on the stream, its memory bound.
type launch struct {
	kernel      string
	grid, block [3]uint32
	shared      uint32         // bytes of dynamic shared memory
	args        unsafe.Pointer // to a struct passed by value as the kernel's only parameter
	size        int            // of that struct
	what        string         // says more than its name, for people
}

// shared is memory that all graphs of a program use, one after another.
type shared struct {
	address uint64
	bytes   int
}

// reserve makes room for a schedule's scratch memory and constants. Memory that has
// to grow moves, and the graphs made before go.
func (e *exec) reserve(s *gpu.Schedule) error {
	news := e.shared[gpu.Constants].bytes == 0 && len(s.Constants) > 0
	err := e.b.do(func() error {
		err := e.need(gpu.Constants, len(s.Constants))
		for i, n := range s.Scratch {
			err = errors.Join(err, e.need(gpu.Scratch+gpu.Area(i), n))
		}
		return err
	})
	if err != nil || !news {
		return err
	}
	// They are the same for every number of tokens.
	return (&buffer{e.b, e.shared[gpu.Constants].address, len(s.Constants)}).Write(0, s.Constants)
}

// need makes an area at least so long, of zeroed memory, within do.
func (e *exec) need(a gpu.Area, bytes int) error {
	m := e.shared[a]
	if m.bytes >= bytes {
		return nil
	}
	var err error
	for key, r := range e.replays {
		err = errors.Join(err, e.b.release(r))
		delete(e.replays, key)
	}
	if m.bytes > 0 {
		err = errors.Join(err, e.b.d.MemFree(m.address))
		delete(e.shared, a)
	}
	if err != nil {
		return err
	}
	if m.address, err = e.b.allocate(bytes); err == nil {
		e.shared[a] = shared{m.address, bytes}
	}
	return err
}

// launches plans segments and binds their memory.
func (e *exec) launches(key bound) ([]launch, error) {
	s, err := e.b.plan(e.p, key.tokens, e.b.device.chip())
	if err != nil {
		return nil, err
	}
	if err := e.reserve(s); err != nil {
		return nil, err
	}
	return e.bind(s, key.seq)
}

// binding gives the addresses of a schedule's memory.
type binding struct {
	b     *Backend
	areas map[gpu.Area]uint64
	seq   *backend.Sequence
}

// bind gives every launch the addresses of its memory, those of a sequence's states
// among them.
func (e *exec) bind(s *gpu.Schedule, seq *backend.Sequence) (launches []launch, err error) {
	m := &binding{e.b, map[gpu.Area]uint64{gpu.Params: e.block, gpu.Values: e.arena, gpu.Logits: e.rows, gpu.Best: e.ranks}, seq}
	for a, s := range e.shared {
		m.areas[a] = s.address
	}
	for i := range s.Launches {
		l, err := m.launch(&s.Launches[i])
		if err != nil {
			return nil, fmt.Errorf("launch %d, %s: %w", i, l.kernel, err)
		}
		launches = append(launches, l)
	}
	return launches, nil
}

// launch writes the addresses of a launch's memory into its arguments.
func (m *binding) launch(p *gpu.Launch) (launch, error) {
	args := slices.Clone(p.Args)
	l := launch{kernel: p.Kernel, grid: p.Grid, block: p.Block, shared: p.Shared, args: unsafe.Pointer(&args[0]), size: len(args), what: p.Note}
	for i, r := range p.Refs {
		at, err := m.address(r)
		if err != nil {
			return l, err
		}
		*(*uint64)(unsafe.Pointer(&args[p.At[i]])) = at
	}
	return l, nil
}

// address is where a ref's memory lies, 0 of none.
func (m *binding) address(r gpu.Ref) (at uint64, err error) {
	switch {
	case r == gpu.Ref{}:
		return 0, nil
	case r.Tensor != nil:
		at, err = m.tensor(r.Tensor)
	case r.State != nil:
		at, err = m.state(r.State)
	default:
		at = m.areas[r.Area]
	}
	return at + uint64(r.Off), err
}

// tensor is a weight's address, at a multiple of tensorAlign, with tensorSlack
// readable bytes behind it.
func (m *binding) tensor(t *backend.Tensor) (uint64, error) {
	from, err := m.b.mappingOf(t)
	if err != nil {
		return 0, err
	}
	p, ok := from.tensors[t.Off]
	if !ok {
		return 0, fmt.Errorf("%s is not on the device", t.Name)
	}
	return p, nil
}

func (m *binding) state(s *backend.State) (uint64, error) {
	b, ok := m.seq.Buffer(s).(*buffer)
	switch {
	case !ok || b.b != m.b:
		return 0, fmt.Errorf("state %s lies in another backend's memory", s.Name)
	case b.size < s.Bytes:
		return 0, fmt.Errorf("state %s holds %d bytes, %d are needed", s.Name, b.size, s.Bytes)
	}
	return b.address, nil
}
