// Package cpu runs programs on the processor, over all cores, in plain Go.
// Every row of a pass is computed in the same order of operations whatever
// else is in the pass and however many threads share it, so its bits do not
// depend on either.
package cpu

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Backend implements [backend.Backend] on the host.
type Backend struct {
	pool *pool
}

// New starts a backend of so many threads; 0 means one a core.
func New(threads int) *Backend {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Backend{newPool(threads)}
}

// Name implements [backend.Backend].
func (b *Backend) Name() string { return "cpu" }

// Close implements [backend.Backend].
func (b *Backend) Close() error { return nil }

// Map implements [backend.Backend]; the host's memory is used as it lies.
func (b *Backend) Map(host []byte) (backend.Buffer, error) { return &buffer{data: host}, nil }

// Alloc implements [backend.Backend].
func (b *Backend) Alloc(n int) (backend.Buffer, error) { return allocate(n) }

// Compile implements [backend.Backend].
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	plan := backend.PlanValues(p)
	e := &exec{p: p, plan: plan, pool: b.pool, arena: make([]float32, plan.Floats)}
	e.logits = make([]float32, p.LogitRows*p.Vocab)
	for range b.pool.threads {
		e.scratch = append(e.scratch, &scratch{})
	}
	for i, n := range p.Nodes {
		run, err := e.compile(n)
		if err != nil {
			return nil, fmt.Errorf("cpu: node %d: %w", i, err)
		}
		e.steps = append(e.steps, run)
	}
	return e, nil
}

// exec is a program with its arena.
type exec struct {
	p       *backend.Program
	plan    *backend.Plan
	pool    *pool
	arena   []float32
	logits  []float32
	scratch []*scratch // one a thread
	normed  []float32  // [tokens][width] of the node that normalizes
	steps   []func(*backend.Params)
}

// scratch is a thread's own memory, grown as nodes ask for it.
type scratch struct{ rows, acc, k, v []float32 }

func grow(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	return (*s)[:n]
}

// Run implements [backend.Exec].
func (e *exec) Run(p *backend.Params) ([]float32, error) {
	if len(p.Tokens) == 0 || len(p.Tokens) > e.p.Tokens || p.Logits > min(len(p.Tokens), e.p.LogitRows) {
		return nil, fmt.Errorf("cpu: a pass of %d tokens and %d rows of logits, program takes %d and %d", len(p.Tokens), p.Logits, e.p.Tokens, e.p.LogitRows)
	}
	for _, s := range e.steps {
		s(p)
	}
	return e.logits[:p.Logits*e.p.Vocab], nil
}

// Close implements [backend.Exec].
func (e *exec) Close() error { e.arena, e.logits, e.steps = nil, nil, nil; return nil }

// row is token t's channels of a slice.
func (e *exec) row(s backend.Slice, t int) []float32 {
	w := e.p.Widths[s.V]
	at := e.plan.Offset[s.V] + t*w + s.Off
	return e.arena[at : at+s.N : at+s.N]
}

// out is token t's channels of a whole value.
func (e *exec) out(v backend.Value, t int) []float32 {
	w := e.p.Widths[v]
	at := e.plan.Offset[v] + t*w
	return e.arena[at : at+w : at+w]
}

func (e *exec) compile(n backend.Node) (func(*backend.Params), error) {
	switch n := n.(type) {
	case *backend.Embed:
		return e.embed(n)
	case *backend.MatMul:
		return e.matMul(n)
	case *backend.GateUp:
		return e.gateUp(n)
	case *backend.RopeStore:
		return e.ropeStore(n)
	case *backend.Attend:
		return e.attend(n)
	case *backend.Conv:
		return e.conv(n)
	case *backend.Scan1:
		return e.scan1(n)
	case *backend.Scan2:
		return e.scan2(n)
	case *backend.Logits:
		return e.head(n)
	}
	return nil, fmt.Errorf("no kernel for %T", n)
}

// bytesOf is a tensor's memory.
func bytesOf(t *backend.Tensor) ([]byte, error) {
	b, ok := t.Buf.(*buffer)
	if !ok {
		return nil, fmt.Errorf("%s lies in another backend's memory", t.Name)
	}
	if _, ok := t.Type.Spec(); !ok {
		return nil, fmt.Errorf("%s has %v, which no kernel reads", t.Name, t.Type)
	}
	end := t.Off + t.Bytes()
	if t.Off < 0 || end > len(b.data) {
		return nil, fmt.Errorf("%s ends %d bytes past its buffer", t.Name, end-len(b.data))
	}
	return b.data[t.Off:end:end], nil
}

// vector is a float tensor's values, unpacked once.
func vector(t *backend.Tensor) ([]float32, error) {
	b, err := bytesOf(t)
	if err != nil {
		return nil, err
	}
	s, _ := t.Type.Spec()
	v := make([]float32, t.Rows*t.Cols)
	s.Unpack(v, b)
	return v, nil
}

// vectors unpacks several at once.
func vectors(ts ...*backend.Tensor) ([][]float32, error) {
	out := make([][]float32, len(ts))
	for i, t := range ts {
		v, err := vector(t)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// floats is a state's memory as float32.
func floats(s *backend.State) ([]float32, error) {
	b, err := stateBytes(s)
	if err != nil || len(b) == 0 {
		return nil, err
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4), nil
}

func stateBytes(s *backend.State) ([]byte, error) {
	b, ok := s.Buf.(*buffer)
	if !ok || len(b.data) < s.Bytes {
		return nil, fmt.Errorf("state %s has no memory here", s.Name)
	}
	return b.data[:s.Bytes], nil
}

// embed is backend.Embed.
func (e *exec) embed(n *backend.Embed) (func(*backend.Params), error) {
	data, err := bytesOf(n.Table)
	if err != nil {
		return nil, err
	}
	spec, _ := n.Table.Type.Spec()
	if n.Table.Cols%spec.Block != 0 {
		return nil, fmt.Errorf("%s: rows of %d cannot be %s", n.Table.Name, n.Table.Cols, spec.Name)
	}
	size := spec.RowBytes(n.Table.Cols)
	return func(p *backend.Params) {
		for t, id := range p.Tokens {
			spec.Unpack(e.out(n.Out, t), data[int(id)*size:(int(id)+1)*size])
		}
	}, nil
}

// floatType says whether rows can be used as they lie.
func floatType(t quant.Type) bool { return t == quant.F32 }
