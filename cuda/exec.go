package cuda

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// exec is a program on the device. For every sequence and number of tokens, the
// launches are captured once as a graph. A segment is one launch of that graph,
// whose first kernel fetches the parameter block from pinned memory. The segments
// of a pass run one after another.
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
	shared     map[gpu.Area]shared // scratch memory and constants
	replays    map[bound]*replay
	seqs       map[*backend.Sequence]bool // that call forget
	passes     int                        // segments run so far
	// kept holds the rows of logits of a ranked pass of several segments, 0 before
	// the first. The last ranked pass left keeps rows, at keptAt.
	kept, keptAt uint64
	keeps        int

	// What the next segment is, for run, which is made once: a closure a pass
	// would be garbage a pass.
	replay  *replay
	first   int // of its tokens among the pass's
	row     int // its first row of logits
	wanted  int // rows of logits to copy to the host
	keep    int // rows of logits to copy to kept
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
	e := &exec{b: b, p: p, layout: backend.PlanValues(p), shared: map[gpu.Area]shared{}, replays: map[bound]*replay{}, seqs: map[*backend.Sequence]bool{}}
	e.run = e.pass
	err := b.do(func() (err error) {
		if e.arena, err = b.allocate(4 * e.layout.Floats); err != nil {
			return err
		}
		if e.block, err = b.allocate(4 * gpu.ParamWords(p)); err != nil {
			return err
		}
		if e.rows, err = b.allocate(4 * min(p.LogitRows, gpu.Most(p)) * p.Vocab); err != nil {
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
		err = e.try()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cuda: %w", err), e.Close())
	}
	return e, nil
}

// try makes room for all passes and loads the kernels of most: logged programs
// mostly run single tokens, others whole chunks. So it is known before the first pass
// that they run here.
func (e *exec) try() error {
	s, err := e.b.plan(e.p, gpu.Most(e.p), e.b.device.chip())
	if err == nil {
		err = e.reserve(s)
	}
	if err == nil && e.p.Logged {
		if s, err = e.b.plan(e.p, 1, e.b.device.chip()); err == nil {
			err = e.reserve(s)
		}
	}
	if err != nil {
		return err
	}
	return e.b.do(func() error {
		for i := range s.Launches {
			if _, err := e.b.modules.function(&launch{kernel: s.Launches[i].Kernel, shared: s.Launches[i].Shared}); err != nil {
				return err
			}
		}
		return nil
	})
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
	values := p.Rows() * e.p.Vocab
	err := p.Check(e.p)
	if err == nil {
		err = e.room(values)
	}
	if err == nil {
		err = e.segments(p, func(i int, s *backend.Segment) error {
			e.wanted, e.keep = s.Logits, 0
			return e.segment(p, s, nil)
		})
	}
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	return e.logits[:values], nil
}

// segments runs f for every segment, with first and row set.
func (e *exec) segments(p *backend.Params, f func(i int, s *backend.Segment) error) error {
	e.row = 0
	for i := range p.Segments {
		s := &p.Segments[i]
		if i == 0 {
			e.first = 0
		}
		if err := f(i, s); err != nil {
			return err
		}
		e.first += s.N
		e.row += s.Logits
	}
	return nil
}

// segment runs one segment.
func (e *exec) segment(p *backend.Params, s *backend.Segment, r *backend.Ranking) error {
	gpu.SetParams(e.params, e.p, p.Tokens[e.first:e.first+s.N], s, r)
	if err := e.prepare(s); err != nil {
		return err
	}
	return e.b.do(e.run)
}

// RunRanked implements [backend.Ranker].
func (e *exec) RunRanked(p *backend.Params, ranks []backend.Ranking) ([]backend.Best, error) {
	if !gpu.Ranks(e.p) {
		return nil, fmt.Errorf("cuda: rows of a program of %d tokens and %d logits are not ranked", e.p.Tokens, e.p.Vocab)
	}
	err := p.Check(e.p)
	if err == nil && len(ranks) != len(p.Segments) {
		err = fmt.Errorf("%d rankings of %d segments", len(ranks), len(p.Segments))
	}
	several := len(p.Segments) > 1
	if err == nil && several && e.kept == 0 {
		err = e.b.do(func() (err error) {
			e.kept, err = e.b.allocate(4 * e.p.LogitRows * e.p.Vocab)
			return err
		})
	}
	e.best, e.keeps = e.best[:0], 0
	if err == nil {
		err = e.segments(p, func(i int, s *backend.Segment) error {
			if e.wanted, e.keep = 0, 0; several {
				e.keep = s.Logits
			}
			if err := e.segment(p, s, &ranks[i]); err != nil {
				return err
			}
			e.best = gpu.Ranking(e.best, e.ranked, s.Logits, e.p.Vocab, &ranks[i])
			if several { // the next segment writes there
				for k := e.row; k < e.row+s.Logits; k++ {
					e.best[k].Tokens, e.best[k].Logits = slices.Clone(e.best[k].Tokens), slices.Clone(e.best[k].Logits)
				}
			}
			return nil
		})
	}
	if err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	if e.keeps, e.keptAt = e.row, e.rows; several {
		e.keptAt = e.kept
	}
	return e.best, nil
}

// Row implements [backend.Ranker].
func (e *exec) Row(i int) ([]float32, error) {
	v := e.p.Vocab
	if i < 0 || i >= e.keeps {
		return nil, fmt.Errorf("cuda: row %d of %d", i, e.keeps)
	}
	err := e.room(v)
	if err == nil {
		err = e.b.do(func() error {
			if err := e.b.d.MemcpyDtoHAsync(unsafe.Pointer(&e.logits[0]), e.keptAt+4*uint64(i*v), 4*v, e.b.stream); err != nil {
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
	d, stream, v := e.b.d, e.b.stream, e.p.Vocab
	if err := d.GraphLaunch(e.replay.graph, stream); err != nil {
		return err
	}
	if n := e.wanted * v; n > 0 {
		if err := d.MemcpyDtoHAsync(unsafe.Pointer(&e.logits[e.row*v]), e.rows, 4*n, stream); err != nil {
			return err
		}
	}
	if n := e.keep * v; n > 0 {
		if err := d.MemcpyDtoDAsync(e.kept+4*uint64(e.row*v), e.rows, 4*n, stream); err != nil {
			return err
		}
	}
	for _, o := range e.outputs {
		width := e.p.Widths[o.value]
		bytes := 4 * width * int(e.params[gpu.ParamCount])
		if err := d.MemcpyDtoHAsync(unsafe.Pointer(&o.to[e.first*width]), e.address(o.value), bytes, stream); err != nil {
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
		for _, m := range e.shared {
			errs = append(errs, e.b.d.MemFree(m.address))
		}
		for _, p := range []uint64{e.arena, e.block, e.rows, e.kept} {
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
		e.replays, e.shared, e.arena, e.block, e.rows, e.kept, e.params, e.ranked, e.outputs = nil, nil, 0, 0, 0, 0, nil, nil, nil
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
