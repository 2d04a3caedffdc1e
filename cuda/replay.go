package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// replay is a captured graph.
type replay struct {
	graph uintptr
	last  int // segment that used it
}

// Graphs that are kept: of short passes, some numbers of tokens of many sequences;
// of prompts, whole chunks and ends of many lengths. The one used longest ago goes.
const (
	mostReplays = 512
	longReplays = 64
)

// bound is what a graph is captured for: the memory of a sequence, and a number of
// tokens.
type bound struct {
	seq    *backend.Sequence
	tokens int
}

// prepare makes the graph of a segment at its first use.
func (e *exec) prepare(s *backend.Segment) error {
	e.passes++
	key := bound{s.Seq, s.N}
	r := e.replays[key]
	if r == nil {
		err := e.evict()
		if err == nil {
			r, err = e.capture(key)
		}
		if err != nil {
			return err
		}
		if s.Seq != nil && !e.seqs[s.Seq] {
			e.seqs[s.Seq] = true
			s.Seq.OnFree(func() error { return e.forget(s.Seq) })
		}
		e.replays[key] = r
	}
	r.last = e.passes
	e.replay = r
	return nil
}

// forget frees a sequence's graphs.
func (e *exec) forget(q *backend.Sequence) error {
	delete(e.seqs, q)
	return e.b.do(func() error {
		var errs []error
		for key, r := range e.replays {
			if key.seq == q {
				errs = append(errs, e.b.release(r))
				delete(e.replays, key)
			}
		}
		return errors.Join(errs...)
	})
}

// evict makes room for another graph.
func (e *exec) evict() error {
	most := mostReplays
	if !e.p.Logged {
		most = longReplays
	}
	if len(e.replays) < most {
		return nil
	}
	var oldest bound
	for key, r := range e.replays {
		if oldest.tokens == 0 || r.last < e.replays[oldest].last {
			oldest = key
		}
	}
	r := e.replays[oldest]
	delete(e.replays, oldest)
	return e.b.do(func() error { return e.b.release(r) })
}

// capture plans segments of a sequence and records them as a graph.
func (e *exec) capture(key bound) (*replay, error) {
	launches, err := e.launches(key)
	if err != nil {
		return nil, err
	}
	r := &replay{}
	err = e.b.do(func() (err error) {
		if r.graph, err = e.record(key.tokens, launches); err != nil {
			err = errors.Join(err, e.b.release(r))
		}
		return err
	})
	return r, err
}

// loadParams is the first launch of a pass of n tokens.
func (e *exec) loadParams(tokens int) launch {
	words := gpu.ParamTokens + tokens
	if e.p.Logged {
		words = len(e.params) // with the recent tokens
	}
	a := &loadArgs{from: e.hostParams, to: e.block, words: int32(words)}
	return launch{kernel: "load_params", grid: [3]uint32{uint32(gpu.Ceil(words, 256)), 1, 1}, block: [3]uint32{256, 1, 1}, args: unsafe.Pointer(a), size: int(unsafe.Sizeof(*a))}
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
	if r.graph == 0 {
		return nil
	}
	return b.d.GraphExecDestroy(r.graph)
}
