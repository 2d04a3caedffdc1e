// Package ref is the backend that defines right results: plain Go with float32
// activations, over all cores. Every row of a pass is computed in the same
// order of operations whatever else is in the pass and however many threads
// share it, so its bits do not depend on either.
package ref

import (
	"fmt"
	"runtime"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// Backend implements [backend.Backend] on the host.
type Backend struct {
	pool    *pool
	observe backend.Inputs // of programs compiled from now on, or nil
}

// Observe implements [backend.Observer].
func (b *Backend) Observe(in backend.Inputs) { b.observe = in }

// New starts a backend with the given number of threads; 0 means one a core.
func New(threads int) *Backend {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Backend{pool: newPool(threads)}
}

// Name implements [backend.Backend].
func (b *Backend) Name() string { return "ref" }

// Close implements [backend.Backend].
func (b *Backend) Close() error { return nil }

// Map implements [backend.Backend]; the host's memory is used as it lies.
func (b *Backend) Map(memory []byte) (backend.Buffer, error) { return host.Map(memory), nil }

// NewSequence implements [backend.Backend].
func (b *Backend) NewSequence(states []*backend.State) (*backend.Sequence, error) {
	return host.NewSequence(states)
}

// Compile implements [backend.Backend].
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	plan := backend.PlanValues(p)
	e := &exec{p: p, plan: plan, pool: b.pool, observe: b.observe, arena: make([]float32, plan.Floats)}
	e.logits = make([]float32, p.LogitRows*p.Vocab)
	for range b.pool.threads {
		e.scratch = append(e.scratch, &scratch{})
	}
	for i, n := range p.Nodes {
		run, err := e.compile(n)
		if err != nil {
			return nil, fmt.Errorf("ref: node %d: %w", i, err)
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
	observe backend.Inputs
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
	if err := host.Check(e.p, p); err != nil {
		return nil, fmt.Errorf("ref: %w", err)
	}
	for i, s := range e.steps {
		if p.Watch != nil && p.Watch.Stop() {
			return nil, backend.ErrStopped
		}
		s(p)
		if p.Watch != nil && p.Watch.Done != nil {
			p.Watch.Done(i+1, len(e.steps))
		}
	}
	return e.logits[:p.Rows()*e.p.Vocab], nil
}

// Watched implements [backend.Watched]: a pass is stopped between nodes.
func (e *exec) Watched() {}

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
	case *backend.Finish:
		return e.finish(n)
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
	case *backend.DeltaScan:
		return e.deltaScan(n)
	case *backend.Reorder:
		return e.reorder(n), nil
	case *backend.Logits:
		return e.head(n)
	}
	return nil, fmt.Errorf("no kernel for %T", n)
}

// embed is backend.Embed.
func (e *exec) embed(n *backend.Embed) (func(*backend.Params), error) {
	data, err := host.Tensor(n.Table)
	if err != nil {
		return nil, err
	}
	spec, _ := n.Table.Type.Spec()
	size := spec.RowBytes(n.Table.Cols)
	return func(p *backend.Params) {
		for t, id := range p.Tokens {
			spec.Unpack(e.out(n.Out, t), data[int(id)*size:(int(id)+1)*size])
		}
	}, nil
}
