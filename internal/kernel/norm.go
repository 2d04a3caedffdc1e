package kernel

import "unsafe"

// norms are the kernels of normalization.
type norms struct{ rmsNorm func(unsafe.Pointer) }

func (n *norms) init(s *Set) { n.rmsNorm = s.must("rmsNorm") }

// normArgs is Args of c/norm.c.
type normArgs struct {
	out, x, w unsafe.Pointer
	n         int
	eps       float32
}

// RMSNorm is dst = x * w / sqrt(mean(x²) + eps), the mean in float64. dst may be x.
func (s *Set) RMSNorm(wk *Worker, dst, x, w []float32, eps float32) {
	if len(x) == 0 {
		return
	}
	wk.norm = normArgs{out: unsafe.Pointer(&dst[0]), x: unsafe.Pointer(&x[0]), w: unsafe.Pointer(&w[0]), n: len(x), eps: eps}
	s.rmsNorm(unsafe.Pointer(&wk.norm))
}
