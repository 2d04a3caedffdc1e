package metal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// exec is a program with memory of its own. The segments of a pass run one after
// another. The dispatches of a segment of n tokens of a sequence are made at the
// first such segment; position, counts and tokens lie in
// the parameter block, so that every pass encodes the same.
type exec struct {
	b       *Backend
	p       *backend.Program
	layout  *backend.Plan
	memory  map[gpu.Area]memory
	passes  map[bound]pass
	seqs    map[*backend.Sequence]bool // that call forget
	outputs [][]float32
	rows    []float32 // of logits of the last pass
	several []float32 // those of a pass of several segments
	best    []backend.Best
}

// bound is what dispatches are made for: the memory of a sequence, and a number of
// tokens.
type bound struct {
	seq    *backend.Sequence
	tokens int
}

// pass is the dispatches that run; the last ones, as many as ranking says, rank rows.
type pass struct {
	dispatches []dispatch
	ranking    int
}

// mostPasses is how many kinds of segments are kept planned: some numbers of tokens
// of many sequences.
const mostPasses = 512

// longPart is how many kernels of a prompt run without a pause: macOS ends what
// keeps the GPU from the screen for seconds, as a large model's pass may.
const longPart = 48

// Compile implements [backend.Backend].
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	e := &exec{b: b, p: p, layout: backend.PlanValues(p), passes: map[bound]pass{}, seqs: map[*backend.Sequence]bool{}, memory: map[gpu.Area]memory{}}
	gpu.SetLayouts(p, "metal", func(h *backend.Heads) func(from, to int) []backend.Span { return h.Rows })
	err := e.allocate()
	if err == nil {
		// Logged programs mostly run single tokens, others whole chunks: what cannot
		// run here is known before the first pass.
		tokens := p.Tokens
		if p.Logged {
			tokens = 1
		}
		_, err = e.try(tokens)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("metal: %w", err), e.Close())
	}
	return e, nil
}

func (e *exec) allocate() error {
	ranked := 0
	if gpu.Ranks(e.p) {
		ranked = 4 * gpu.RankWords * min(e.p.LogitRows, gpu.Most(e.p))
	}
	for a, bytes := range map[gpu.Area]int{
		gpu.Params: 4 * gpu.ParamWords(e.p),
		gpu.Values: 4 * e.layout.Floats,
		gpu.Logits: 4 * min(e.p.LogitRows, gpu.Most(e.p)) * e.p.Vocab,
		gpu.Best:   ranked,
	} {
		if err := e.need(a, bytes); err != nil {
			return err
		}
	}
	for _, v := range e.p.Outputs {
		e.outputs = append(e.outputs, make([]float32, e.p.Tokens*e.p.Widths[v]))
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

// try plans segments of n tokens, makes room for them, and finds their kernels and
// weights.
func (e *exec) try(tokens int) (*gpu.Schedule, error) {
	s, err := plan(e.p, tokens, e.b.chip)
	if err != nil {
		return nil, err
	}
	err = e.need(gpu.Constants, len(s.Constants))
	for i, n := range s.Scratch {
		err = errors.Join(err, e.need(gpu.Scratch+gpu.Area(i), n))
	}
	if err != nil {
		return nil, err
	}
	copy(e.memory[gpu.Constants].bytes(), s.Constants)
	for i := range s.Launches {
		l := &s.Launches[i]
		_, err := e.b.m.function(l.Kernel)
		for _, r := range l.Refs {
			if r.Tensor != nil && err == nil {
				_, _, err = e.b.place(r.Tensor)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("launch %d, %s: %w", i, l.Kernel, err)
		}
	}
	return s, nil
}

// pass gives the dispatches of a segment.
func (e *exec) pass(key bound) (pass, error) {
	if d, ok := e.passes[key]; ok {
		return d, nil
	}
	s, err := e.try(key.tokens)
	if err != nil {
		return pass{}, err
	}
	d := make([]dispatch, len(s.Launches))
	for i := range s.Launches {
		if d[i], err = e.dispatch(&s.Launches[i], key.seq); err != nil {
			return pass{}, fmt.Errorf("launch %d, %s: %w", i, s.Launches[i].Kernel, err)
		}
	}
	if len(e.passes) == mostPasses {
		clear(e.passes)
	}
	if key.seq != nil && !e.seqs[key.seq] {
		e.seqs[key.seq] = true
		key.seq.OnFree(func() error { e.forget(key.seq); return nil })
	}
	e.passes[key] = pass{d, s.Ranking}
	return e.passes[key], nil
}

// forget drops a sequence's dispatches.
func (e *exec) forget(q *backend.Sequence) {
	delete(e.seqs, q)
	maps.DeleteFunc(e.passes, func(key bound, _ pass) bool { return key.seq == q })
}

// dispatch finds a launch's kernel and memories.
func (e *exec) dispatch(l *gpu.Launch, q *backend.Sequence) (dispatch, error) {
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
		m, off, err := e.find(r, q)
		if err != nil {
			return d, err
		}
		d.buffers = append(d.buffers, binding{index: uint32(indexRefs + i), memory: m, off: off, bytes: r.Bytes})
	}
	return d, nil
}

// find is where a ref's memory lies.
func (e *exec) find(r ref, q *backend.Sequence) (memory, int, error) {
	switch {
	case r.Tensor != nil:
		return e.b.place(r.Tensor)
	case r.State != nil:
		m, ok := q.Buffer(r.State).(*buffer)
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

// Run implements [backend.Exec]. Logits are read where the GPU wrote them, those of
// several segments in a copy.
func (e *exec) Run(p *backend.Params) ([]float32, error) {
	if err := e.run(p, nil); err != nil {
		return nil, fmt.Errorf("metal: %w", err)
	}
	return e.rows, nil
}

// run executes a pass, and ranks its rows where ranks says how.
func (e *exec) run(p *backend.Params, ranks []backend.Ranking) error {
	if err := p.Check(e.p); err != nil {
		return err
	}
	e.rows, e.several = nil, e.several[:0]
	first := 0
	for i := range p.Segments {
		s := &p.Segments[i]
		var r *backend.Ranking
		if ranks != nil {
			r = &ranks[i]
		}
		if err := e.segment(p.Tokens[first:first+s.N], s, r); err != nil {
			return err
		}
		e.take(first, s, r, len(p.Segments) > 1)
		first += s.N
	}
	return nil
}

// take takes a segment's results, whose memory the next of several writes.
func (e *exec) take(first int, s *backend.Segment, r *backend.Ranking, several bool) {
	for i, v := range e.p.Outputs {
		width := e.p.Widths[v]
		copy(e.outputs[i][first*width:], floats(e.memory[gpu.Values])[e.layout.Offset[v]:][:s.N*width])
	}
	rows, before := floats(e.memory[gpu.Logits])[:s.Logits*e.p.Vocab], len(e.best)
	if r != nil {
		e.best = gpu.Ranking(e.best, words(e.memory[gpu.Best]), s.Logits, e.p.Vocab, r)
	}
	if !several {
		e.rows = rows
		return
	}
	e.several = append(e.several, rows...)
	e.rows = e.several
	for k := before; k < len(e.best); k++ {
		e.best[k].Tokens, e.best[k].Logits = slices.Clone(e.best[k].Tokens), slices.Clone(e.best[k].Logits)
	}
}

// segment runs one segment.
func (e *exec) segment(tokens []int32, s *backend.Segment, r *backend.Ranking) error {
	pass, err := e.pass(bound{s.Seq, s.N})
	if err != nil {
		return err
	}
	gpu.SetParams(words(e.memory[gpu.Params]), e.p, tokens, s, r)
	dispatches := pass.dispatches
	if r == nil {
		dispatches = dispatches[:len(dispatches)-pass.ranking]
	}
	part := len(dispatches)
	if s.N > backend.MaxVerify {
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
