package cuda

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/mil-run/mil/backend"
)

// exec is a program on the device. For every number of tokens a pass holds, its
// launches are captured once as a graph; a pass is one launch of that graph,
// whose first kernel fetches the parameter block from pinned memory.
type exec struct {
	b       *Backend
	p       *backend.Program
	layout  *backend.Plan
	arena   uint64    // values
	block   uint64    // parameters
	posed   uint64    // where kernels find params
	rows    uint64    // logits
	ranks   uint64    // where kernels find ranked
	params  []int32   // pinned, what block is to hold
	logits  []float32 // pinned, as many rows as were asked for at once
	ranked  []int32   // pinned, [rows][rankWords]: kernels write the best of the logits there
	best    []backend.Best
	replays map[int]*replay
	passes  int // run so far

	// What the next pass is, for run, which is made once: a closure a pass
	// would be garbage a pass.
	replay  *replay
	wanted  int // bytes of logits
	outputs []output
	run     func() error
}

// replay is a captured graph with the memory it alone uses.
type replay struct {
	graph    uintptr
	launches []launch // what the graph is made of
	owned    []uint64
	last     int // pass that used it
}

// output is a value that a pass copies to the host, where a program is cut.
type output struct {
	value backend.Value
	to    []float32 // pinned, [Program.Tokens][width]
}

// longReplays is how many graphs of long passes are kept: one for whole chunks
// of a prompt, one for its end.
const longReplays = 2

// Compile implements [backend.Backend].
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	if err := b.upload(p); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	e := &exec{b: b, p: p, layout: backend.PlanValues(p), replays: map[int]*replay{}}
	e.run = e.pass
	err := b.do(func() (err error) {
		if e.arena, err = b.allocate(4 * e.layout.Floats); err != nil {
			return err
		}
		if e.block, err = b.allocate(4 * (paramTokens + p.Tokens + backend.RankWindow)); err != nil {
			return err
		}
		if e.rows, err = b.allocate(4 * p.LogitRows * p.Vocab); err != nil {
			return err
		}
		if e.params, err = pinned[int32](b.d, paramTokens+p.Tokens+backend.RankWindow); err != nil {
			return err
		}
		if e.posed, err = b.d.MemHostGetDevicePointer(unsafe.Pointer(&e.params[0])); err != nil {
			return err
		}
		if e.ranked, err = pinned[int32](b.d, rankWords*min(p.LogitRows, backend.Verify)); err != nil {
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
		if tokens <= backend.Verify {
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
	if err := e.pose(p, nil, values); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	if err := e.b.do(e.run); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	return e.logits[:values], nil
}

// pose makes the parameter block that of a pass.
func (e *exec) pose(p *backend.Params, r *backend.Ranking, logits int) error {
	n := len(p.Tokens)
	if n == 0 || n > e.p.Tokens || p.Logits > min(n, e.p.LogitRows) {
		return fmt.Errorf("a pass of %d tokens and %d rows of logits, program takes %d and %d", n, p.Logits, e.p.Tokens, e.p.LogitRows)
	}
	if err := e.prepare(n, logits); err != nil {
		return err
	}
	e.params[paramPos], e.params[paramReplay] = int32(p.Pos), int32(p.Replay)
	e.params[paramLogits], e.params[paramCount], e.params[paramShift] = int32(p.Logits), int32(n), int32(p.Shift)
	copy(e.params[paramTokens:], p.Tokens)
	e.params[paramRanked] = 0
	if r != nil {
		e.params[paramRanked] = 1
		e.params[paramTemperature] = int32(math.Float32bits(r.Temp))
		e.params[paramPenalty] = int32(math.Float32bits(cmp.Or(r.Penalty, 1)))
		recent := r.Recent[max(0, len(r.Recent)-backend.RankWindow):]
		e.params[paramRecent] = int32(len(recent))
		copy(e.params[paramTokens+e.p.Tokens:], recent)
	}
	return nil
}

// RunRanked implements [backend.Ranker].
func (e *exec) RunRanked(p *backend.Params, r *backend.Ranking) ([]backend.Best, error) {
	if e.p.Tokens > backend.Verify {
		return nil, fmt.Errorf("cuda: rows of a program of %d tokens are not ranked", e.p.Tokens)
	}
	e.wanted = 0
	if err := e.pose(p, r, 0); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	if err := e.b.do(e.run); err != nil {
		return nil, fmt.Errorf("cuda: %w", err)
	}
	keep := min(backend.Ranked, e.p.Vocab)
	if r.Temp == 0 {
		keep = 1
	}
	e.best = e.best[:0]
	for i := range p.Logits {
		row := e.ranked[rankWords*i:][:rankWords]
		e.best = append(e.best, backend.Best{
			Tokens: row[backend.Ranked:][:keep],
			Logits: unsafe.Slice((*float32)(unsafe.Pointer(&row[0])), keep),
			Sum:    float64(math.Float32frombits(uint32(row[2*backend.Ranked]))),
		})
		if r.Temp == 0 {
			e.best[i].Sum = 0
		}
	}
	return e.best, nil
}

// Row implements [backend.Ranker].
func (e *exec) Row(i int) ([]float32, error) {
	v := e.p.Vocab
	if i < 0 || i >= int(e.params[paramLogits]) {
		return nil, fmt.Errorf("cuda: row %d of %d", i, e.params[paramLogits])
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
		bytes := 4 * e.p.Widths[o.value] * int(e.params[paramCount])
		if err := d.MemcpyDtoHAsync(unsafe.Pointer(&o.to[0]), e.address(o.value), bytes, stream); err != nil {
			return err
		}
	}
	return d.StreamSynchronize(stream)
}

// prepare makes what a pass of n tokens and its logits needs, at its first use.
func (e *exec) prepare(tokens, logits int) error {
	e.passes++
	r := e.replays[tokens]
	if r == nil {
		if err := e.evict(tokens); err != nil {
			return err
		}
		var err error
		if r, err = e.capture(tokens); err != nil {
			return err
		}
		e.replays[tokens] = r
	}
	r.last = e.passes
	e.replay = r
	return e.room(logits)
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

// evict makes room for another long pass's graph.
func (e *exec) evict(tokens int) error {
	if tokens <= backend.Verify {
		return nil
	}
	long, oldest := 0, 0
	for n, r := range e.replays {
		if n > backend.Verify {
			long++
			if oldest == 0 || r.last < e.replays[oldest].last {
				oldest = n
			}
		}
	}
	if long < longReplays {
		return nil
	}
	r := e.replays[oldest]
	delete(e.replays, oldest)
	return e.b.do(func() error { return e.b.release(r) })
}

// capture plans passes of n tokens and records them as a graph.
func (e *exec) capture(tokens int) (*replay, error) {
	m := &planMemory{e: e}
	launches, err := e.b.plan(e.p, tokens, m)
	r := &replay{launches: launches, owned: m.owned}
	err = errors.Join(err, m.err)
	if err == nil {
		err = e.b.do(func() (err error) {
			r.graph, err = e.record(tokens, launches)
			return err
		})
	}
	if err != nil {
		return nil, errors.Join(err, e.b.do(func() error { return e.b.release(r) }))
	}
	return r, nil
}

// loadParams is the first launch of a pass of n tokens.
func (e *exec) loadParams(tokens int) launch {
	words := paramTokens + tokens
	if e.p.Tokens <= backend.Verify {
		words = len(e.params) // with the recent tokens
	}
	a := &loadArgs{from: e.posed, to: e.block, words: int32(words)}
	return launch{kernel: "load_params", grid: [3]uint32{uint32(ceil(words, 256)), 1, 1}, block: [3]uint32{256, 1, 1}, args: unsafe.Pointer(a), size: int(unsafe.Sizeof(*a))}
}

// record captures the launches behind one that loads the parameter block, within
// do.
func (e *exec) record(tokens int, launches []launch) (uintptr, error) {
	d, stream := e.b.d, e.b.stream
	launches = append([]launch{e.loadParams(tokens)}, launches...)
	kernels := make([]kernel, len(launches)) // loading a module may not happen within a capture
	for i := range launches {
		var err error
		if kernels[i], err = e.b.modules.function(&launches[i]); err != nil {
			return 0, err
		}
	}
	if err := d.StreamSynchronize(stream); err != nil {
		return 0, err
	}
	if err := d.StreamBeginCapture(stream); err != nil {
		return 0, err
	}
	var err error
	for i := 0; i < len(launches) && err == nil; i++ {
		// Kernels read parameters before they wait: the second launch starts when
		// the first, which loads them, has ended.
		if err = d.LaunchKernel(kernels[i].function, &launches[i], kernels[i].early && i > 1, stream); err != nil {
			err = fmt.Errorf("launch %d, %s%v%v: %w", i, launches[i].kernel, launches[i].grid, launches[i].block, err)
		}
	}
	graph, endErr := d.StreamEndCapture(stream) // also after an error: the stream must leave the capture
	switch {
	case err != nil && endErr == nil:
		return 0, errors.Join(err, d.GraphDestroy(graph))
	case err != nil:
		return 0, err
	case endErr != nil:
		return 0, endErr
	}
	exec, err := d.GraphInstantiate(graph)
	return exec, errors.Join(err, d.GraphDestroy(graph))
}

// release frees a replay, within do.
func (b *Backend) release(r *replay) error {
	var errs []error
	if r.graph != 0 {
		errs = append(errs, b.d.GraphExecDestroy(r.graph))
	}
	for _, p := range r.owned {
		errs = append(errs, b.d.MemFree(p))
	}
	return errors.Join(errs...)
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
