package kernel

import (
	"sync"
	"unsafe"

	"github.com/mil-run/mil/quant"
)

// Multiplier is [quant.Inputs.Multiply] on the set's kernels, for any number of
// goroutines at once.
func (s *Set) Multiplier() func(out, e, cov []float32) {
	type scratch struct {
		wk    Worker
		batch Batch
	}
	pool := sync.Pool{New: func() any { return &scratch{} }}
	return func(out, e, cov []float32) {
		const n = quant.CovWidth
		t := pool.Get().(*scratch)
		defer pool.Put(t)
		t.batch.Plan(s, quant.F32, len(e)/n, n)
		for r := range len(e) / n {
			t.batch.Pack(r, e[r*n:(r+1)*n])
		}
		w := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(cov))), 4*n*n)
		s.Gemm(&t.wk, quant.F32, w, 4*n, 0, n, &t.batch, out, n, nil) // cov is symmetric
	}
}
