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
	S                                 *float32 // [Rows][N]
	Rows, N                           int
	Replay, Tokens                    int
	Dt, Decay                         *float32 // of the log's tokens, then of the pass's
	LogX, LogB, X, B, C               *float32 // X and LogX from the first row
	Y                                 *float32 // [token][row], to be C·S + D*x
	LdRate, LdLog, LdX, LdB, LdC, LdY int      // float32 from token to token
	Sums                              *float32 // [Tokens][16] to work in
	Keep                              int
	D                                 float32
}

// Scan2 runs a.
func (s *Set) Scan2(a *Scan2) {
	if a.Rows > 0 && a.Replay+a.Tokens > 0 {
		s.scan2(unsafe.Pointer(a))
	}
}

// Scan2Row is the arguments of kernels over single rows, the layout of RateArgs and
// NormArgs in c/scan2.c.
type Scan2Row struct {
	X, W, Out *float32
	N         int
	Eps       float32
}

// Softplus2 is Out = softplus(X + W).
func (s *Set) Softplus2(a *Scan2Row) { s.softplus2(unsafe.Pointer(a)) }

// Decay2 is Out = exp(X * W).
func (s *Set) Decay2(a *Scan2Row) { s.decay2(unsafe.Pointer(a)) }

// GateNorm is v = Out * silu(X), Out = v * W / sqrt(mean of v² + Eps).
func (s *Set) GateNorm(a *Scan2Row) { s.gateNorm(unsafe.Pointer(a)) }
