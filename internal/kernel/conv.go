package kernel

import "unsafe"

// convs is the convolution.
type convs struct{ conv func(unsafe.Pointer) }

func (c *convs) init(s *Set) { c.conv = s.must("conv") }

// Conv is out[t][c] = silu(Bias[c] + sum over k of W[k][c]*X[t+k][c]) for N
// channels, the layout of Args in c/conv.c. X points at the oldest row that the
// first token reads.
type Conv struct {
	Out             *float32
	X, W, Bias      *float32
	N, Tokens, Taps int
	LdX, LdW, LdOut int // float32 from row to row
}

// Conv runs a, whose slices' first elements it points at.
func (s *Set) Conv(a *Conv) {
	if a.N > 0 && a.Tokens > 0 {
		s.conv(unsafe.Pointer(a))
	}
}
