// Package cpu runs programs on the processor with kernels for its instruction
// set (package kernel), over all cores. Products of quantized weights take
// int8 activations, scaled for every 32 values. A row's bits do not depend on
// the tokens that share its pass, whosever they are, nor on the number of threads.
package cpu

import (
	"fmt"
	"runtime"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
)

// Backend implements [backend.Backend] on the host.
type Backend struct {
	pool    *pool
	k       *kernel.Set
	observe backend.Inputs // of programs compiled from now on, or nil
}

// New starts a backend with the given number of threads (0 means DefaultThreads)
// and the best instruction set the processor has. Where there are no kernels for
// it, plain Go computes.
func New(threads int) backend.Backend {
	b, err := NewISA(threads, "")
	if err != nil {
		panic(err) // the best set is always known
	}
	return b
}

// NewISA is New on the instruction set of that name; "" is the best, "go" is
// plain Go. The error lists the sets of this machine.
func NewISA(threads int, isa string) (backend.Backend, error) {
	if threads <= 0 {
		threads, _ = DefaultThreads()
	}
	threads = min(threads, runtime.GOMAXPROCS(0)) // more would only wait for each other
	k := kernel.Best()
	if isa != "" && isa != "go" {
		var err error
		if k, err = kernel.ByName(isa); err != nil {
			return nil, err
		}
	}
	if k == nil || isa == "go" {
		return ref.New(threads), nil
	}
	return &Backend{pool: newPool(threads), k: k}, nil
}

// Name implements [backend.Backend].
func (b *Backend) Name() string { return "cpu" }

// Close implements [backend.Backend]: it ends the threads.
func (b *Backend) Close() error { b.pool.close(); return nil }

// Map implements [backend.Backend]; the host's memory is used as it lies.
func (b *Backend) Map(memory []byte) (backend.Buffer, error) { return host.Map(memory), nil }

// NewSequence implements [backend.Backend].
func (b *Backend) NewSequence(states []*backend.State) (*backend.Sequence, error) {
	return host.NewSequence(states)
}

// Compile implements [backend.Backend].
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	plan := backend.PlanValues(p)
	e := &exec{p: p, plan: plan, pool: b.pool, k: b.k, observe: b.observe, arena: host.Floats(plan.Floats)}
	e.logits = host.Floats(p.LogitRows * p.Vocab)
	e.rows = make([]int, p.Tokens)
	for t := range e.rows {
		e.rows[t] = t
	}
	for range b.pool.threads {
		e.scratch = append(e.scratch, &scratch{})
		e.workers = append(e.workers, &kernel.Worker{})
		e.tiles = append(e.tiles, &tile{})
	}
	for i := 0; i < len(p.Nodes); i++ {
		var run func(*backend.Params)
		var err error
		if m, f := productAndFinish(p.Nodes[i:]); f != nil {
			run, err = e.matMul(m, f)
			i++
		} else {
			run, err = e.compile(p.Nodes[i])
		}
		if err != nil {
			return nil, fmt.Errorf("cpu: node %d: %w", i, err)
		}
		e.steps = append(e.steps, run)
	}
	return e, nil
}

// exec is a program with its arena.
type exec struct {
	p          *backend.Program
	plan       *backend.Plan
	pool       *pool
	k          *kernel.Set
	arena      []float32
	logits     []float32
	workers    []*kernel.Worker // one a thread
	scratch    []*scratch       // one a thread
	inputs     inputs
	tiles      []*tile // one a thread
	partial    partial
	rows       []int // 0, 1, 2, ...: all tokens of a pass
	rates      rates
	directions directions
	angles     []*angles
	observe    backend.Inputs
	seen       observed
	steps      []func(*backend.Params)
}

// scratch is a thread's own memory, grown as nodes ask for it.
type scratch struct {
	rows, acc []float32
	vector    kernel.Vector
}

func grow(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	return (*s)[:n]
}

// Run implements [backend.Exec].
func (e *exec) Run(p *backend.Params) ([]float32, error) {
	if err := host.Check(e.p, p); err != nil {
		return nil, fmt.Errorf("cpu: %w", err)
	}
	logits := e.logits[:p.Rows()*e.p.Vocab]
	if p.Watch != nil {
		if err := e.watched(p); err != nil {
			return nil, err
		}
		return logits, nil
	}
	for _, s := range e.steps {
		s(p)
	}
	return logits, nil
}

// watched runs the nodes under the watch; loops are given up between ranges.
func (e *exec) watched(p *backend.Params) error {
	e.pool.stop = p.Watch.Stop
	defer func() { e.pool.stop = nil }()
	for i, s := range e.steps {
		s(p)
		if p.Watch.Stop() { // the node may not be whole
			for _, a := range e.angles {
				clear(a.filled) // nor its table
			}
			return backend.ErrStopped
		}
		if p.Watch.Done != nil {
			p.Watch.Done(i+1, len(e.steps))
		}
	}
	return nil
}

// Watched implements [backend.Watched].
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

// value is all tokens' channels of a value, [Program.Tokens][width].
func (e *exec) value(v backend.Value) []float32 {
	at := e.plan.Offset[v]
	return e.arena[at : at+e.p.Tokens*e.p.Widths[v]]
}

func (e *exec) compile(n backend.Node) (func(*backend.Params), error) {
	switch n := n.(type) {
	case *backend.Embed:
		return e.embed(n)
	case *backend.MatMul:
		return e.matMul(n, nil)
	case *backend.GateUp:
		return e.gateUp(n)
	case *backend.Finish:
		f, err := e.newFinish(n)
		return f.run, err
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

// step is how many of n items a thread takes at a time, a multiple of unit. Of
// a prompt it takes many: rows of few channels are read slower from token to
// token, and data shared by neighbours is made once.
func (e *exec) step(n, unit int) int {
	if e.p.Logged {
		return unit
	}
	const times = 4 // a thread, so that a slow one delays nobody for long
	return max(unit, n/(e.pool.threads*times)/unit*unit)
}

// embed is backend.Embed.
func (e *exec) embed(n *backend.Embed) (func(*backend.Params), error) {
	data, err := host.Tensor(n.Table)
	if err != nil {
		return nil, err
	}
	spec, _ := n.Table.Type.Spec()
	size := spec.RowBytes(n.Table.Cols)
	var tokens []int32
	unpack := func(_, lo, hi int) {
		for t := lo; t < hi; t++ {
			id := int(tokens[t])
			spec.Unpack(e.out(n.Out, t), data[id*size:(id+1)*size])
		}
	}
	return func(p *backend.Params) {
		tokens = p.Tokens
		e.pool.each(len(tokens), 1, unpack)
	}, nil
}
