package kernel

import "unsafe"

// scan2s are the kernels of the Mamba-2 recurrence, token by token.
type scan2s struct{ scan2, softplus2, decay2, gateNorm func(unsafe.Pointer) }

func (k *scan2s) init(s *Set) {
	k.scan2, k.softplus2, k.decay2, k.gateNorm = s.must("scan2"), s.must("softplus2"), s.must("decay2"), s.must("gateNorm")
}

// Scan2 is the arguments of the Mamba-2 step for rows of one head, the layout
// of Args in c/scan2.c. The states S advance through Replay tokens of the log
// and stay so; then they go on through Tokens tokens of the pass, which are
// stored only if Keep is 1. Replayed or not, a token does the same to the bit.
type Scan2 struct {
	S              *float32 // [Rows][N]
	Rows, N        int
	Replay, Tokens int
	Dt, Decay      *float32 // of the log's tokens, then of the pass's, LdRate apart
	X, B           *float32 // the same: [tokens][Rows] and [tokens][N]
	C              *float32 // [Tokens][N]
	Y              *float32 // C·S + D*x of the pass's tokens, LdY apart
	LdRate, LdY    int
	Sums           *float32 // [Tokens][16] to work in
	Keep           int
	D              float32
}

// Scan2 runs a.
func (s *Set) Scan2(a *Scan2) {
	if a.Rows > 0 && a.Replay+a.Tokens > 0 {
		s.scan2(unsafe.Pointer(a))
	}
}

// Vector is the arguments of kernels over one row, the layout of RateArgs in
// c/scan2.c.
type Vector struct {
	X, W, Out *float32
	N         int
}

// Softplus2 is Out = softplus(X + W).
func (s *Set) Softplus2(a *Vector) { s.softplus2(unsafe.Pointer(a)) }

// Decay2 is Out = exp(X * W).
func (s *Set) Decay2(a *Vector) { s.decay2(unsafe.Pointer(a)) }

// GateNorm is the arguments of GateNorm, the layout of NormArgs in c/scan2.c.
type GateNorm struct {
	Z, W, Y           *float32 // W [N]; Z and Y are Rows rows of N
	N, Rows, LdZ, LdY int
	Eps               float32
}

// GateNorm is v = Y * silu(Z), Y = v * W / sqrt(mean of v² + Eps), row by row.
func (s *Set) GateNorm(a *GateNorm) { s.gateNorm(unsafe.Pointer(a)) }
