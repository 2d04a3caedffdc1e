package metal

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// exec is a program with memory of its own. The dispatches of a pass of n tokens
// are made at the first such pass; position, counts and tokens lie in
// the parameter block, so that every pass encodes the same.
type exec struct {
	b       *Backend
	p       *backend.Program
	layout  *backend.Plan
	memory  map[gpu.Area]memory
	passes  map[int]pass // by tokens
	outputs [][]float32
	best    []backend.Best
}

// pass is the dispatches that run; the last ones, as many as ranking says, rank rows.
type pass struct {
	dispatches []dispatch
	ranking    int
}

// mostPasses is how many numbers of tokens are kept planned.
const mostPasses = 32

// longPart is how many kernels of a prompt run without a pause: macOS ends what
// keeps the GPU from the screen for seconds, as a large model's pass may.
const longPart = 48

// Compile implements [backend.Backend].
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	e := &exec{b: b, p: p, layout: backend.PlanValues(p), passes: map[int]pass{}, memory: map[gpu.Area]memory{}}
	gpu.SetLayouts(p, "metal", func(h *backend.Heads) func(from, to int) []backend.Span { return h.Rows })
	err := e.allocate()
	if err == nil {
		// Short programs mostly run single tokens, long ones whole chunks: what
		// cannot run here is known before the first pass.
		tokens := p.Tokens
		if tokens <= backend.MaxVerify {
			tokens = 1
		}
		_, err = e.pass(tokens)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metal: %w", err), e.Close())
	}
	return e, nil
}

func (e *exec) allocate() error {
	ranked := 0
	if gpu.Ranks(e.p) {
		ranked = 4 * gpu.RankWords * e.p.LogitRows
	}
	for a, bytes := range map[gpu.Area]int{
		gpu.Params: 4 * gpu.ParamWords(e.p),
		gpu.Values: 4 * e.layout.Floats,
		gpu.Logits: 4 * e.p.LogitRows * e.p.Vocab,
		gpu.Best:   ranked,
	} {
		if err := e.need(a, bytes); err != nil {
			return err
		}
	}
	for _, v := range e.p.Outputs {
		at := e.layout.Offset[v]
		e.outputs = append(e.outputs, floats(e.memory[gpu.Values])[at:at+e.p.Tokens*e.p.Widths[v]])
	}
	return nil
}

// need makes an area at least so long. One that has to grow moves, and what was
// planned with it is forgotten.
func (e *exec) need(a gpu.Area, bytes int) error {
	if m := e.memory[a]; m != nil {
		if len(m.bytes()) >= bytes {
			return nil
		}
		clear(e.passes)
		delete(e.memory, a)
		if err := m.free(); err != nil {
			return err
		}
	}
	m, err := e.b.m.allocate(max(bytes, 16))
	if err == nil {
		e.memory[a] = m
	}
	return err
}

// pass gives the dispatches of a pass of the given number of tokens.
func (e *exec) pass(tokens int) (pass, error) {
	if d, ok := e.passes[tokens]; ok {
		return d, nil
	}
	s, err := plan(e.p, tokens, e.b.chip)
	if err != nil {
		return pass{}, err
	}
	err = e.need(gpu.Constants, len(s.Constants))
	for i, n := range s.Scratch {
		err = errors.Join(err, e.need(gpu.Scratch+gpu.Area(i), n))
	}
	if err != nil {
		return pass{}, err
	}
	copy(e.memory[gpu.Constants].bytes(), s.Constants)
	d := make([]dispatch, len(s.Launches))
	for i := range s.Launches {
		if d[i], err = e.dispatch(&s.Launches[i]); err != nil {
			return pass{}, fmt.Errorf("launch %d, %s: %w", i, s.Launches[i].Kernel, err)
		}
	}
	if len(e.passes) == mostPasses {
		clear(e.passes)
	}
	e.passes[tokens] = pass{d, s.Ranking}
	return e.passes[tokens], nil
}

// dispatch finds a launch's kernel and memories.
func (e *exec) dispatch(l *gpu.Launch) (dispatch, error) {
	d := dispatch{kernel: l.Kernel, grid: l.Grid, block: l.Block, args: l.Args}
	var err error
	if d.function, err = e.b.m.function(l.Kernel); err != nil {
		return d, err
	}
	params := e.memory[gpu.Params]
	d.buffers = append(d.buffers, binding{index: indexParams, memory: params, bytes: len(params.bytes())})
	for i, r := range l.Refs {
		if r == (ref{}) {
			r = ref{Area: gpu.Params, Bytes: 4 * gpu.ParamTokens} // Metal wants something in every place
		}
		m, off, err := e.find(r)
		if err != nil {
			return d, err
		}
		d.buffers = append(d.buffers, binding{index: uint32(indexRefs + i), memory: m, off: off, bytes: r.Bytes})
	}
	return d, nil
}

// find is where a ref's memory lies.
func (e *exec) find(r ref) (memory, int, error) {
	switch {
	case r.Tensor != nil:
		return e.b.place(r.Tensor)
	case r.State != nil:
		m, ok := r.State.Buf.(*buffer)
		switch {
		case !ok || m.b != e.b || m.m == nil:
			return nil, 0, fmt.Errorf("state %s lies in another backend's memory", r.State.Name)
		case m.Size() < r.State.Bytes:
			return nil, 0, fmt.Errorf("state %s holds %d bytes, %d are needed", r.State.Name, m.Size(), r.State.Bytes)
		}
		return m.m, 0, nil
	}
	return e.memory[r.Area], r.Off, nil
}

// Run implements [backend.Exec]. Logits are read where the GPU wrote them.
func (e *exec) Run(p *backend.Params) ([]float32, error) {
	if err := e.run(p, nil); err != nil {
		return nil, fmt.Errorf("metal: %w", err)
	}
	return floats(e.memory[gpu.Logits])[:p.Logits*e.p.Vocab], nil
}

// run executes a pass, and ranks its rows where r says how.
func (e *exec) run(p *backend.Params, r *backend.Ranking) error {
	if err := gpu.SetParams(words(e.memory[gpu.Params]), e.p, p, r); err != nil {
		return err
	}
	n := len(p.Tokens)
	pass, err := e.pass(n)
	if err != nil {
		return err
	}
	dispatches := pass.dispatches
	if r == nil {
		dispatches = dispatches[:len(dispatches)-pass.ranking]
	}
	part := len(dispatches)
	if n > backend.MaxVerify {
		part = longPart
	}
	for ; len(dispatches) > 0; dispatches = dispatches[min(part, len(dispatches)):] {
		if err := e.b.m.run(dispatches[:min(part, len(dispatches))]); err != nil {
			return err
		}
	}
	return nil
}

// Output implements [split.Head].
func (e *exec) Output(i int) []float32 { return e.outputs[i] }

// Close implements [backend.Exec].
func (e *exec) Close() error {
	var errs []error
	for a, m := range e.memory {
		errs = append(errs, m.free())
		delete(e.memory, a)
	}
	return errors.Join(errs...)
}

func floats(m memory) []float32 {
	b := m.bytes()
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)
}

func words(m memory) []int32 {
	b := m.bytes()
	return unsafe.Slice((*int32)(unsafe.Pointer(&b[0])), len(b)/4)
}
