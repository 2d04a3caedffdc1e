package kernel

import (
	"math"
	"unsafe"
)

// scan1s are the kernels of the Mamba-1 recurrence.
type scan1s struct{ replay1, scan1 func(unsafe.Pointer) }

func (k *scan1s) init(s *Set) {
	k.replay1, k.scan1 = s.must("replay1"), s.must("scan1")
}

// Scan1Lanes is how many channels the Mamba-1 kernels take together.
const Scan1Lanes = 16

// Scan1A is the form of a value of A in Scan1.A: the kernels raise 2 and not e.
func Scan1A(a float32) float32 { return float32(float64(a) * math.Log2E) }

// Scan1 is the arguments of the Mamba-1 kernels, the layout of Args in
// c/scan1.c: 16 channels that lie together and share B and C.
type Scan1 struct {
	H, A                     *float32 // [N][16]; A through [Scan1A]
	N, Tokens                int
	Dt, X, B, C, Y           *float32 // of the first token
	LdDt, LdX, LdB, LdC, LdY int      // float32 from token to token
	D                        *float32 // [16]
}

// Replay1 advances H through tokens: h = exp(dt*A)*h + dt*x*B.
func (s *Set) Replay1(a *Scan1) {
	if a.Tokens > 0 {
		s.replay1(unsafe.Pointer(a))
	}
}

// Scan1 is Replay1, to the bit, and Y = C·h + D*x after each token.
func (s *Set) Scan1(a *Scan1) {
	if a.Tokens > 0 {
		s.scan1(unsafe.Pointer(a))
	}
}
