package kernel

import (
	"math"
	"unsafe"
)

// scan1s are the kernels of the Mamba-1 recurrence.
type scan1s struct{ replay1, scan1, rates1, gate1 func(unsafe.Pointer) }

func (k *scan1s) init(s *Set) {
	k.replay1, k.scan1, k.rates1, k.gate1 = s.must("replay1"), s.must("scan1"), s.must("rates1"), s.must("gate1")
}

// Scan1Lanes is how many channels the Mamba-1 kernels take together.
const Scan1Lanes = 16

// Scan1A is what Scan1.A holds for a value of A: the kernels raise 2 and not e.
func Scan1A(a float32) float32 { return float32(float64(a) * math.Log2E) }

// Scan1 is the arguments of the Mamba-1 kernels, the layout of Args in
// c/scan1.c: 16 channels that lie together and share B and C, Tokens tokens of
// which all but H, A, Bias and D are rows.
type Scan1 struct {
	H, A                            *float32 // [N][16]; A through [Scan1A]
	N, Tokens                       int
	Dt, X, B, C, Z                  *float32
	Out                             *float32
	LdDt, LdX, LdB, LdC, LdZ, LdOut int      // float32 from token to token
	Bias, D                         *float32 // [16]
}

// Replay1 advances H through tokens: h = exp(dt*A)*h + dt*x*B.
func (s *Set) Replay1(a *Scan1) {
	if a.Tokens > 0 {
		s.replay1(unsafe.Pointer(a))
	}
}

// Scan1 is Replay1, to the bit, and Out = C·h + D*x after each token.
func (s *Set) Scan1(a *Scan1) {
	if a.Tokens > 0 {
		s.scan1(unsafe.Pointer(a))
	}
}

// Rates1 is Out = softplus(Dt + Bias).
func (s *Set) Rates1(a *Scan1) {
	if a.Tokens > 0 {
		s.rates1(unsafe.Pointer(a))
	}
}

// Gate1 is Out = Out * silu(Z).
func (s *Set) Gate1(a *Scan1) {
	if a.Tokens > 0 {
		s.gate1(unsafe.Pointer(a))
	}
}
