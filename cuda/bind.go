package cuda

import (
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

// binding gives the addresses of a schedule's memory.
type binding struct {
	b     *Backend
	areas map[gpu.Area]uint64
	seq   *backend.Sequence
	owned []uint64 // allocated for the schedule
}

// bind allocates the memory that a schedule's launches share and gives every
// launch its addresses, those of a sequence's states among them. owned is to be freed, also after an error.
func (e *exec) bind(s *gpu.Schedule, seq *backend.Sequence) (launches []launch, owned []uint64, err error) {
	m := &binding{b: e.b, seq: seq, areas: map[gpu.Area]uint64{gpu.Params: e.block, gpu.Values: e.arena, gpu.Logits: e.rows, gpu.Best: e.ranks}}
	if err := m.reserve(s); err != nil {
		return nil, m.owned, err
	}
	for i := range s.Launches {
		l, err := m.launch(&s.Launches[i])
		if err != nil {
			return nil, m.owned, fmt.Errorf("launch %d, %s: %w", i, l.kernel, err)
		}
		launches = append(launches, l)
	}
	return launches, m.owned, nil
}

// reserve allocates a schedule's scratch memory and constants.
func (m *binding) reserve(s *gpu.Schedule) error {
	err := m.b.do(func() error {
		for i, n := range s.Scratch {
			if err := m.allocate(gpu.Scratch+gpu.Area(i), n); err != nil {
				return err
			}
		}
		return m.allocate(gpu.Constants, len(s.Constants))
	})
	if err != nil || len(s.Constants) == 0 {
		return err
	}
	return (&buffer{m.b, m.areas[gpu.Constants], len(s.Constants)}).Write(0, s.Constants)
}

// allocate gives an area zeroed memory, within do.
func (m *binding) allocate(a gpu.Area, bytes int) error {
	if bytes == 0 {
		return nil
	}
	p, err := m.b.allocate(bytes)
	if err == nil {
		m.areas[a], m.owned = p, append(m.owned, p)
	}
	return err
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
