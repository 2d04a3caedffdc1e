package model

import "github.com/mil-run/mil/backend"

// hybrid is the distilled models of "The Mamba in the Llama": a Llama in which
// Mamba or Mamba-2 took the place of some layers' attention, with x, B and C in
// the places of v, k and q.
type hybrid struct{}

func (hybrid) config(c *Config, k *keys) {
	attentionConfig(c, k)
	c.SSM = SSM{
		Version:          k.int("ssm.version"),
		Conv:             k.int("ssm.conv_kernel"),
		Inner:            k.int("ssm.inner_size"),
		State:            k.int("ssm.state_size"),
		Rank:             k.int("ssm.time_step_rank"),
		Groups:           k.int("ssm.group_count"),
		XB:               k.int("ssm.xb_size"),
		RepeatBeforeConv: k.bool("ssm.repeat_before_conv"),
	}
	if v := c.SSM.Version; k.err == nil && v != 1 && v != 2 {
		k.fail("key %s.ssm.version is %d (known: 1, 2)", k.arch, v)
	}
}

func (hybrid) tensors(c *Config, i int) map[string][2]int {
	if c.Attention(i) {
		return llama{}.tensors(c, i)
	}
	s := c.SSM
	t := map[string][2]int{
		"attn_norm.weight":  {1, c.DModel},
		"ssm_in.weight":     {2*s.Inner + 2*s.XB + s.Rank, c.DModel},
		"ssm_conv1d.weight": {s.convChannels(), s.Conv},
		"ssm_conv1d.bias":   {1, s.convChannels()},
		"ssm_out.weight":    {c.DModel, s.Inner},
	}
	if s.Version == 1 {
		t["ssm_dt.weight"] = [2]int{s.Inner, s.Rank}
		t["ssm_dt.bias"] = [2]int{1, s.Inner}
		t["ssm_a"] = [2]int{s.Inner, s.State}
		t["ssm_d"] = [2]int{1, s.Inner}
	} else {
		t["ssm_dt.bias"] = [2]int{1, s.Rank}
		t["ssm_a"] = [2]int{1, s.Rank}
		t["ssm_d"] = [2]int{1, s.Rank}
		t["ssm_norm.weight"] = [2]int{1, s.Inner}
	}
	feedForwardTensors(c, t)
	return t
}

// convChannels is how many channels the hybrids' convolution has: x for
// Mamba-1, x|B|C for Mamba-2, where x and B may already be repeated.
func (s *SSM) convChannels() int {
	xb := s.XB
	if s.RepeatBeforeConv {
		xb = s.Inner
	}
	if s.Version == 1 {
		return xb
	}
	return 2*xb + s.Inner
}

func (hybrid) layer(b *builder, i int, x backend.Value) backend.Value {
	switch {
	case b.c.Attention(i):
		x = attention(b, i, x)
	case b.c.SSM.Version == 1:
		x = hybridMamba1(b, x)
	default:
		x = hybridMamba2(b, x)
	}
	return feedForward(b, x)
}

// hybridMamba1 records a Mamba-1 mixer; ssm_in's rows are z, x, B, C, dt. The
// checkpoint's dt bias counts twice in these models, so the file holds it
// doubled.
func hybridMamba1(b *builder, x backend.Value) backend.Value {
	s := b.c.SSM
	in := b.MatMul(b.All(x), b.norm("attn_norm.weight"), backend.None, b.w("ssm_in.weight"))
	dt := b.MatMul(b.Cut(in, 2*s.Inner+2*s.XB, s.Rank), nil, backend.None, b.w("ssm_dt.weight"))
	var repeat []int32
	if s.RepeatBeforeConv {
		repeat = appendRepeated(nil, 0, s.XB, s.Inner, s.State)
	}
	conv := b.conv(b.Cut(in, s.Inner, s.XB), repeat)
	y := b.scan1(b.All(conv), b.All(dt), b.Cut(in, s.Inner+s.XB, s.XB), b.Cut(in, s.Inner+2*s.XB, s.Inner), b.Cut(in, 0, s.Inner))
	return b.MatMul(b.All(y), nil, x, b.w("ssm_out.weight"))
}

// hybridMamba2 records a Mamba-2 mixer; ssm_in's rows are z, x, B, C, dt.
func hybridMamba2(b *builder, x backend.Value) backend.Value {
	s := b.c.SSM
	in := b.MatMul(b.All(x), b.norm("attn_norm.weight"), backend.None, b.w("ssm_in.weight"))
	width := s.XB
	var repeat []int32
	if s.RepeatBeforeConv {
		width = s.Inner
		repeat = appendRepeated(nil, 0, s.XB, s.Inner, s.State)
		repeat = appendRepeated(repeat, s.XB, s.XB, s.Inner, s.State)
		for c := range s.Inner {
			repeat = append(repeat, int32(2*s.XB+c))
		}
	}
	conv := b.conv(b.Cut(in, s.Inner, 2*s.XB+s.Inner), repeat)
	y := b.scan2(b.Cut(conv, 0, width), b.Cut(conv, width, width), b.Cut(conv, 2*width, s.Inner),
		b.Cut(in, 2*s.Inner+2*s.XB, s.Rank), b.Cut(in, 0, s.Inner))
	return b.MatMul(b.All(y), nil, x, b.w("ssm_out.weight"))
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
