package kernel

import "unsafe"

// deltas are the kernels of the gated delta rule.
type deltas struct {
	steps [2][2]func(unsafe.Pointer) // by whether states advance, and whether there is q
	end   func(unsafe.Pointer)
}

func (k *deltas) init(s *Set) {
	k.steps = [2][2]func(unsafe.Pointer){{s.must("delta"), s.must("deltaY")}, {s.must("deltaOn"), s.must("deltaOnY")}}
	k.end = s.must("deltaEnd")
}

// Delta is the arguments of a step of the gated delta rule for rows of one head, the
// layout of Args in c/delta.c. A step makes U = Beta*(V - Decay*S·K) and, where Q is
// not nil, Y = Decay*S·Q + U*KQ. Where Old is not nil, the states first become
// Was*S + U*Old, at To, by the U that is there. So each step takes the states through
// the token of the one before it.
type Delta struct {
	S, To                *float32 // [Rows][N]
	Old, K, Q            *float32 // [N]
	U, V, Y              *float32 // [Rows]
	Rows, N              int
	Was, Decay, Beta, KQ float32
}

// Delta runs a step.
func (s *Set) Delta(a *Delta) {
	on, y := 0, 0
	if a.Old != nil {
		on = 1
	}
	if a.Q != nil {
		y = 1
	}
	s.deltas.steps[on][y](unsafe.Pointer(a))
}

// DeltaEnd is To = Was*S + U*Old.
func (s *Set) DeltaEnd(a *Delta) { s.deltas.end(unsafe.Pointer(a)) }
