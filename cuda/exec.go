package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// exec is a program on the device. For every number of tokens a pass holds, its
// launches are captured once as a graph; a pass is one launch of that graph,
// whose first kernel fetches the parameter block from pinned memory.
type exec struct {
	b          *Backend
	p          *backend.Program
	layout     *backend.Plan
	arena      uint64    // values
	block      uint64    // parameters
	hostParams uint64    // where kernels find params
	rows       uint64    // logits
	ranks      uint64    // where kernels find ranked
	params     []int32   // pinned, the next contents of block
	logits     []float32 // pinned, as many rows as were asked for at once
	ranked     []int32   // pinned, [rows][gpu.RankWords]: kernels write the best of the logits there
	best       []backend.Best
	replays    map[int]*replay
	passes     int // run so far

	// What the next pass is, for run, which is made once: a closure a pass
	// would be garbage a pass.
	replay  *replay
	wanted  int // bytes of logits
	outputs []output
	run     func() error
}

// output is a value that a pass copies to the host, where a program is cut.
type output struct {
	value backend.Value
	to    []float32 // pinned, [Program.Tokens][width]
}

// Compile implements [backend.Backend].
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	if err := b.upload(p); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	gpu.SetLayouts(p, "cuda", cacheRows)
	e := &exec{b: b, p: p, layout: backend.PlanValues(p), replays: map[int]*replay{}}
	e.run = e.pass
	err := b.do(func() (err error) {
		if e.arena, err = b.allocate(4 * e.layout.Floats); err != nil {
			return err
		}
		if e.block, err = b.allocate(4 * gpu.ParamWords(p)); err != nil {
			return err
		}
		if e.rows, err = b.allocate(4 * p.LogitRows * p.Vocab); err != nil {
			return err
		}
		if e.params, err = pinned[int32](b.d, gpu.ParamWords(p)); err != nil {
			return err
		}
		if e.hostParams, err = b.d.MemHostGetDevicePointer(unsafe.Pointer(&e.params[0])); err != nil {
			return err
		}
		if e.ranked, err = pinned[int32](b.d, gpu.RankWords*min(p.LogitRows, backend.MaxVerify)); err != nil {
			return err
		}
		if e.ranks, err = b.d.MemHostGetDevicePointer(unsafe.Pointer(&e.ranked[0])); err != nil {
			return err
		}
		for _, v := range p.Outputs {
			to, err := pinned[float32](b.d, p.Tokens*p.Widths[v])
			if err != nil {
				return err
			}
			e.outputs = append(e.outputs, output{v, to})
		}
		return nil
	})
	if err == nil {
		// Short programs mostly run single tokens, long ones whole chunks: what
		// cannot run here is known before the first pass.
		tokens := p.Tokens
		if tokens <= backend.MaxVerify {
			tokens = 1
		}
		var r *replay
		if r, err = e.capture(tokens); err == nil {
			e.replays[tokens] = r
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cuda: %w", err), e.Close())
	}
	return e, nil
}

// pinned is n zeroed values in memory the device copies from and to, and its
// kernels reach.
func pinned[T int32 | float32](d driver, n int) ([]T, error) {
	p, err := d.MemHostAlloc(4 * max(n, 1))
	if err != nil {
		return nil, err
	}
	s := unsafe.Slice((*T)(p), max(n, 1))
	clear(s)
	return s, nil
}

// Run implements [backend.Exec].
func (e *exec) Run(p *backend.Params) ([]float32, error) {
	values := p.Logits * e.p.Vocab
	e.wanted = 4 * values
	if err := e.setParams(p, nil, values); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	if err := e.b.do(e.run); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	return e.logits[:values], nil
}

// setParams writes the parameter block of a pass.
func (e *exec) setParams(p *backend.Params, r *backend.Ranking, logits int) error {
	if err := gpu.SetParams(e.params, e.p, p, r); err != nil {
		return err
	}
	return e.prepare(len(p.Tokens), logits)
}

// RunRanked implements [backend.Ranker].
func (e *exec) RunRanked(p *backend.Params, r *backend.Ranking) ([]backend.Best, error) {
	if !gpu.Ranks(e.p) {
		return nil, fmt.Errorf("cuda: rows of a program of %d tokens and %d logits are not ranked", e.p.Tokens, e.p.Vocab)
	}
	e.wanted = 0
	if err := e.setParams(p, r, 0); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	if err := e.b.do(e.run); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	e.best = gpu.Ranking(e.best[:0], e.ranked, p.Logits, e.p.Vocab, r)
	return e.best, nil
}

// Row implements [backend.Ranker].
func (e *exec) Row(i int) ([]float32, error) {
	v := e.p.Vocab
	if i < 0 || i >= int(e.params[gpu.ParamLogits]) {
		return nil, fmt.Errorf("cuda: row %d of %d", i, e.params[gpu.ParamLogits])
	}
	err := e.room(v)
	if err == nil {
		err = e.b.do(func() error {
			if err := e.b.d.MemcpyDtoHAsync(unsafe.Pointer(&e.logits[0]), e.rows+4*uint64(i*v), 4*v, e.b.stream); err != nil {
				return err
			}
			return e.b.d.StreamSynchronize(e.b.stream)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	return e.logits[:v], nil
}

// Output implements [split.Head].
func (e *exec) Output(i int) []float32 { return e.outputs[i].to }

// pass is one run of e.replay, within do. It waits for the end, so that the
// parameter block may be written again, rankings are there to be read, and faults
// show up where they belong.
func (e *exec) pass() error {
	d, stream := e.b.d, e.b.stream
	if err := d.GraphLaunch(e.replay.graph, stream); err != nil {
		return err
	}
	if e.wanted > 0 {
		if err := d.MemcpyDtoHAsync(unsafe.Pointer(&e.logits[0]), e.rows, e.wanted, stream); err != nil {
			return err
		}
	}
	for _, o := range e.outputs {
		bytes := 4 * e.p.Widths[o.value] * int(e.params[gpu.ParamCount])
		if err := d.MemcpyDtoHAsync(unsafe.Pointer(&o.to[0]), e.address(o.value), bytes, stream); err != nil {
			return err
		}
	}
	return d.StreamSynchronize(stream)
}

// room makes room for n logits on the host.
func (e *exec) room(logits int) error {
	if logits <= len(e.logits) {
		return nil
	}
	return e.b.do(func() (err error) {
		if err := e.freeLogits(); err != nil {
			return err
		}
		e.logits, err = pinned[float32](e.b.d, logits)
		return err
	})
}

// Close implements [backend.Exec].
func (e *exec) Close() error {
	return e.b.do(func() error {
		var errs []error
		for _, r := range e.replays {
			errs = append(errs, e.b.release(r))
		}
		for _, p := range []uint64{e.arena, e.block, e.rows} {
			if p != 0 {
				errs = append(errs, e.b.d.MemFree(p))
			}
		}
		if e.params != nil {
			errs = append(errs, e.b.d.MemFreeHost(unsafe.Pointer(&e.params[0])))
		}
		if e.ranked != nil {
			errs = append(errs, e.b.d.MemFreeHost(unsafe.Pointer(&e.ranked[0])))
		}
		for _, o := range e.outputs {
			errs = append(errs, e.b.d.MemFreeHost(unsafe.Pointer(&o.to[0])))
		}
		errs = append(errs, e.freeLogits())
		e.replays, e.arena, e.block, e.rows, e.params, e.ranked, e.outputs = nil, 0, 0, 0, nil, nil, nil
		return errors.Join(errs...)
	})
}

func (e *exec) freeLogits() error {
	if e.logits == nil {
		return nil
	}
	err := e.b.d.MemFreeHost(unsafe.Pointer(&e.logits[0]))
	e.logits = nil
	return err
}

// address is where a value lies on the device.
func (e *exec) address(v backend.Value) uint64 { return e.arena + 4*uint64(e.layout.Offset[v]) }
