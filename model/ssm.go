package model

import (
	"fmt"

	"github.com/mil-run/mil/backend"
)

// SSM is the shape of the recurrent layers; Version 0 is none.
type SSM struct {
	Version          int // 1: Mamba, 2: Mamba-2
	Conv             int // taps
	Inner            int // d_inner, channels
	State            int // d_state, per head or channel
	Rank             int // dt_rank (Mamba-1) or heads (Mamba-2)
	Groups           int // normalization groups (Mamba-2)
	XB               int // d_xb, the width of x and B before they are repeated
	RepeatBeforeConv bool
	Normed           bool    // dt, B and C are normalized (pure Mamba)
	NormEps          float64 // of that
	MinStep          float64 // dt is at least this (Nemotron-H); 0: softplus alone bounds it
}

// keys are those of every recurrence. groups are for files made elsewhere that
// do not say.
func (s *SSM) keys(k *keys, groups ...int) {
	k.int("ssm.conv_kernel", &s.Conv)
	k.int("ssm.inner_size", &s.Inner)
	k.int("ssm.state_size", &s.State)
	k.int("ssm.time_step_rank", &s.Rank)
	k.int("ssm.group_count", &s.Groups, groups...)
}

// check refuses shapes that no recurrence has.
func (s *SSM) check() error {
	switch {
	case s.Conv < 2 || s.Conv > 64:
		return fmt.Errorf("convolution of %d taps", s.Conv)
	case s.Inner < 1 || s.Inner > maxWidth || s.State < 1 || s.State > 4096 || s.Rank < 1 || s.Rank > maxWidth:
		return fmt.Errorf("Mamba of %d channels, %d states, rank %d", s.Inner, s.State, s.Rank)
	case s.Groups < 1 || s.Groups > maxWidth || s.XB < 1 || s.XB > s.Inner:
		return fmt.Errorf("Mamba with %d groups, x of %d channels", s.Groups, s.XB)
	case s.Inner%s.Groups != 0:
		return fmt.Errorf("%d channels in %d groups", s.Inner, s.Groups)
	}
	return nil
}

// conv records a convolution with the current layer's weights.
func (b *builder) conv(in backend.Slice, taps int, channels []int32) backend.Value {
	return b.Conv(&backend.Conv{In: in, Map: channels, W: b.w("ssm_conv1d.weight"), Bias: b.w("ssm_conv1d.bias"), Taps: taps,
		Window: b.state("conv", backend.StateWindow, 4*(taps-1+backend.MaxVerify)*in.N)})
}

// appendRepeated appends the channels to read so that [off, off+from) is
// repeated to a width of to: head j of dim channels serves to/from heads in a
// row.
func appendRepeated(m []int32, off, from, to, dim int) []int32 {
	for c := range to {
		m = append(m, int32(off+c/dim/(to/from)*dim+c%dim))
	}
	return m
}
