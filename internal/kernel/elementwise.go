package kernel

import "unsafe"

// elementwise are loops over single rows.
type elementwise struct{ siluMul func(unsafe.Pointer) }

func (e *elementwise) init(s *Set) { e.siluMul = s.must("siluMul") }

// rowArgs is Args of c/elementwise.c.
type rowArgs struct {
	out, x, w unsafe.Pointer
	n         int
	eps       float32
}

// SiluMul is out = silu(x) * w, element by element. out may be x.
func (s *Set) SiluMul(wk *Worker, out, x, w []float32) {
	if len(out) == 0 {
		return
	}
	wk.row = rowArgs{out: unsafe.Pointer(&out[0]), x: unsafe.Pointer(&x[0]), w: unsafe.Pointer(&w[0]), n: len(out)}
	s.siluMul(unsafe.Pointer(&wk.row))
}
