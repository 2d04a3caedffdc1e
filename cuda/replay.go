package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// replay is a captured graph with the memory it alone uses.
type replay struct {
	graph    uintptr
	launches []launch // the graph's
	owned    []uint64
	last     int // pass that used it
}

// longReplays is how many graphs of long passes are kept: one for whole chunks
// of a prompt, one for its end.
const longReplays = 2

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
		if err := e.evict(s.N); err != nil {
			return err
		}
		var err error
		if r, err = e.capture(key); err != nil {
			return err
		}
		if s.Seq != nil && !e.knows(s.Seq) {
			s.Seq.OnFree(func() error { return e.forget(s.Seq) })
		}
		e.replays[key] = r
	}
	r.last = e.passes
	e.replay = r
	return nil
}

// knows says whether there are graphs of a sequence.
func (e *exec) knows(q *backend.Sequence) bool {
	for key := range e.replays {
		if key.seq == q {
			return true
		}
	}
	return false
}

// forget frees a sequence's graphs.
func (e *exec) forget(q *backend.Sequence) error {
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

// evict makes room for another long pass's graph.
func (e *exec) evict(tokens int) error {
	if tokens <= backend.MaxVerify {
		return nil
	}
	long, oldest := 0, bound{}
	for key, r := range e.replays {
		if key.tokens > backend.MaxVerify {
			long++
			if oldest.tokens == 0 || r.last < e.replays[oldest].last {
				oldest = key
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

// capture plans segments of a sequence and records them as a graph.
func (e *exec) capture(key bound) (*replay, error) {
	s, err := e.b.plan(e.p, key.tokens, e.b.device.chip())
	if err != nil {
		return nil, err
	}
	r := &replay{}
	if r.launches, r.owned, err = e.bind(s, key.seq); err == nil {
		err = e.b.do(func() (err error) {
			r.graph, err = e.record(key.tokens, r.launches)
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
	var errs []error
	if r.graph != 0 {
		errs = append(errs, b.d.GraphExecDestroy(r.graph))
	}
	for _, p := range r.owned {
		errs = append(errs, b.d.MemFree(p))
	}
	return errors.Join(errs...)
}
