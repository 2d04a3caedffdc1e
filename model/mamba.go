package model

import "github.com/mil-run/mil/backend"

// mamba is the pure Mamba and Mamba-2 language models: a mixer in every layer
// and no feed-forward, in ggml's conventions.
type mamba struct{ version int }

func (a mamba) config(c *Config, k *keys) {
	c.KVHeads = make([]int, c.Layers)
	c.SSM = SSM{
		Version: a.version,
		Conv:    k.int("ssm.conv_kernel"),
		Inner:   k.int("ssm.inner_size"),
		State:   k.int("ssm.state_size"),
		Rank:    k.int("ssm.time_step_rank"),
		Groups:  k.int("ssm.group_count", 1),
	}
	c.SSM.XB = c.SSM.Inner
	if k.bool("ssm.dt_b_c_rms") {
		k.fail("key %s.ssm.dt_b_c_rms is set: normalized dt, B and C are not known here", k.arch)
	}
}

func (a mamba) tensors(c *Config, _ int) map[string][2]int {
	s := c.SSM
	if a.version == 1 {
		return map[string][2]int{
			"attn_norm.weight":  {1, c.DModel},
			"ssm_in.weight":     {2 * s.Inner, c.DModel},
			"ssm_conv1d.weight": {s.Inner, s.Conv},
			"ssm_conv1d.bias":   {1, s.Inner},
			"ssm_x.weight":      {s.Rank + 2*s.State, s.Inner},
			"ssm_dt.weight":     {s.Inner, s.Rank},
			"ssm_dt.bias":       {1, s.Inner},
			"ssm_a":             {s.Inner, s.State},
			"ssm_d":             {1, s.Inner},
			"ssm_out.weight":    {c.DModel, s.Inner},
		}
	}
	conv := s.Inner + 2*s.Groups*s.State
	return map[string][2]int{
		"attn_norm.weight":  {1, c.DModel},
		"ssm_in.weight":     {2*s.Inner + 2*s.Groups*s.State + s.Rank, c.DModel},
		"ssm_conv1d.weight": {conv, s.Conv},
		"ssm_conv1d.bias":   {1, conv},
		"ssm_dt.bias":       {1, s.Rank},
		"ssm_a":             {1, s.Rank},
		"ssm_d":             {1, s.Rank},
		"ssm_norm.weight":   {1, s.Inner},
		"ssm_out.weight":    {c.DModel, s.Inner},
	}
}

func (a mamba) layer(b *builder, _ int, x backend.Value) backend.Value {
	s := b.c.SSM
	in := b.MatMul(b.All(x), b.norm("attn_norm.weight"), backend.None, b.w("ssm_in.weight"))
	var y backend.Value
	if a.version == 1 { // rows of ssm_in: x, z; dt, B and C come from the convolved x
		conv := b.conv(b.Cut(in, 0, s.Inner), nil)
		p := b.MatMul(b.All(conv), nil, backend.None, b.w("ssm_x.weight"))
		dt := b.MatMul(b.Cut(p, 0, s.Rank), nil, backend.None, b.w("ssm_dt.weight"))
		y = b.scan1(b.All(conv), b.All(dt), b.Cut(p, s.Rank, s.State), b.Cut(p, s.Rank+s.State, s.State), b.Cut(in, s.Inner, s.Inner))
	} else { // rows of ssm_in: z, x, B, C, dt
		bc := s.Groups * s.State
		conv := b.conv(b.Cut(in, s.Inner, s.Inner+2*bc), nil)
		y = b.scan2(b.Cut(conv, 0, s.Inner), b.Cut(conv, s.Inner, bc), b.Cut(conv, s.Inner+bc, bc),
			b.Cut(in, 2*s.Inner+2*bc, s.Rank), b.Cut(in, 0, s.Inner))
	}
	return b.MatMul(b.All(y), nil, x, b.w("ssm_out.weight"))
}

// conv records the convolution with the current layer's weights.
func (b *builder) conv(in backend.Slice, channels []int32) backend.Value {
	taps := b.c.SSM.Conv
	return b.Conv(&backend.Conv{In: in, Map: channels, W: b.w("ssm_conv1d.weight"), Bias: b.w("ssm_conv1d.bias"), Taps: taps,
		Window: b.state("conv", backend.StateWindow, 4*(taps-1+backend.Verify)*in.N)})
}

// scan1 records a Mamba-1 recurrence with the current layer's parameters.
func (b *builder) scan1(x, dt, bs, cs, z backend.Slice) backend.Value {
	s := b.c.SSM
	return b.Scan1(&backend.Scan1{X: x, Dt: dt, B: bs, C: cs, Z: z, A: b.w("ssm_a"), D: b.w("ssm_d"), DtBias: b.w("ssm_dt.bias"), N: s.State,
		H:   b.state("ssm", backend.StateRecurrent, 4*s.Inner*s.State),
		Log: b.state("log", backend.StateLog, 4*backend.Verify*backend.Scan1LogWidth(s.Inner, x.N, bs.N))})
}

// normEps is the gated norm's epsilon, whatever the model's own is.
const normEps = 1e-5

// scan2 records a Mamba-2 recurrence with the current layer's parameters.
func (b *builder) scan2(x, bs, cs, dt, z backend.Slice) backend.Value {
	s := b.c.SSM
	return b.Scan2(&backend.Scan2{X: x, B: bs, C: cs, Dt: dt, Z: z, A: b.w("ssm_a"), D: b.w("ssm_d"), DtBias: b.w("ssm_dt.bias"),
		NormWeight: b.w("ssm_norm.weight"), NormGroups: s.Groups, NormEps: normEps,
		Heads: s.Rank, P: s.Inner / s.Rank, N: s.State,
		H:   b.state("ssm", backend.StateRecurrent, 4*s.Inner*s.State),
		Log: b.state("log", backend.StateLog, 4*backend.Verify*backend.Scan2LogWidth(s.Rank, x.N, bs.N))})
}
