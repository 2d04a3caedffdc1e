package convert

import (
	"fmt"
	"slices"
)

// hybridLayout recognises the distilled hybrids and plans them. They have
// Mamba-1 or Mamba-2 layers, in the merged or the unmerged naming.
func hybridLayout(in *input) (*plan, bool, error) {
	t := in.takes
	if !t.has("model.embed_tokens.weight") || !in.any(".mamba.") {
		return nil, false, nil
	}
	if err := in.checkType("llama", "mistral"); err != nil {
		return nil, true, err
	}
	if !in.hasMamba {
		return nil, true, fmt.Errorf("mamba_config.json is missing: its tensors say this is a hybrid; copy the file from the checkpoint's repository")
	}
	c, mc := in.config, in.mamba
	warnings, err := in.checkHybrid()
	if err != nil {
		return nil, true, err
	}
	if err := c.checkLlama(); err != nil {
		return nil, true, err
	}
	if mc.Layers != 0 && mc.Layers != c.Layers || mc.DModel != 0 && mc.DModel != c.HiddenSize {
		return nil, true, fmt.Errorf("mamba_config.json: %d layers of %d channels, but config.json has %d of %d", mc.Layers, mc.DModel, c.Layers, c.HiddenSize)
	}
	if len(mc.AttnLayers) > c.Layers {
		return nil, true, fmt.Errorf("mamba_config.json: attn_layers names %d layers of %d", len(mc.AttnLayers), c.Layers)
	}
	for _, i := range mc.AttnLayers {
		if i < 0 || i >= c.Layers {
			return nil, true, fmt.Errorf("mamba_config.json: attn_layers names layer %d of %d", i, c.Layers)
		}
	}
	attention := make([]bool, c.Layers)
	for i := range attention {
		prefix := fmt.Sprintf("model.layers.%d.", i)
		attention[i] = t.has(prefix+"self_attn.q_proj.weight") || t.has(prefix+"mha.in_proj.weight")
		if mc.AttnLayers != nil && attention[i] != slices.Contains(mc.AttnLayers, i) {
			return nil, true, fmt.Errorf("mamba_config.json: attn_layers and the tensors disagree about layer %d", i)
		}
	}
	m, err := newMixer(c, mc, in.any(".mamba.dt_bias"))
	if err != nil {
		return nil, true, err
	}
	plain := in.any(".mha.in_proj.weight") && !in.ropeScaling
	if r, err := c.readRope(); err == nil && plain && r.Type != "" {
		warnings = append(warnings, fmt.Sprintf("config.json: rope_scaling %q is left out, since models with mha.in_proj are trained and run without it; --rope-scaling applies it", r.Type))
	}
	p, err := llamaLike(c, t, "mambainllama", plain, func(i int) bool { return attention[i] }, func(p *plan, i int) {
		m.plan(p, t, c.HiddenSize, fmt.Sprintf("model.layers.%d.mamba.", i), fmt.Sprintf("blk.%d.", i))
	})
	if err != nil {
		return nil, true, err
	}
	m.keys(p)
	p.warnings = warnings
	return p, true, nil
}

// checkHybrid checks both configs against the layout's computation.
// sliding_window does not count, since the hybrids' own attention does not read
// it.
func (in *input) checkHybrid() (warnings []string, err error) {
	eps, eps2 := in.config.Eps, in.mamba.Eps
	if eps != nil && eps2 != nil && *eps != *eps2 {
		return nil, fmt.Errorf("mamba_config.json: rms_norm_eps is %g, and config.json says %g; mil computes with one", *eps2, *eps)
	}
	if eps == nil {
		in.config.Eps = eps2
	}
	for _, o := range []struct {
		place   string
		members members
		table   map[string]rule
	}{
		{"config.json", in.config.members, llamaKeys},
		{"mamba_config.json", in.mamba.members, mambaConfigKeys},
		{"mamba_config.json: ssm_cfg", in.mamba.SSM.members, ssmKeys},
	} {
		unknown, err := o.members.check(o.place, o.table)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, unknownKeys(o.place, unknown)...)
	}
	return warnings, nil
}

// mixer is the shape of the hybrids' Mamba layers.
type mixer struct {
	version                    int
	inner, xb, state, conv     int
	rank                       int // dt_rank, or heads
	groups                     int
	repeatBeforeConv           bool
	convChannels, inProjection int
}

func newMixer(c *config, mc *mambaConfig, second bool) (*mixer, error) {
	m := &mixer{version: 1, inner: or(mc.DInner, c.HiddenSize), xb: or(mc.DXB, c.KVHeads*c.HeadDim), conv: or(mc.SSM.DConv, 4), groups: 1, repeatBeforeConv: true}
	if second {
		m.version = 2
		m.groups = or(mc.SSM.Groups, c.Heads)
		m.rank = m.groups
		m.state = or(mc.SSM.DState, c.HeadDim)
		m.repeatBeforeConv = false
	} else {
		m.state = or(mc.SSM.DState, 16)
		rank, err := mc.SSM.rank(c.HiddenSize)
		if err != nil {
			return nil, fmt.Errorf("mamba_config.json: %w", err)
		}
		m.rank = rank
	}
	if r := mc.SSM.RepeatBeforeConv; r != nil {
		m.repeatBeforeConv = *r
	}
	switch {
	case m.inner < 1 || m.inner > maxWidth || m.xb < 1 || m.xb > m.inner || m.inner%m.xb != 0:
		return nil, fmt.Errorf("mamba_config.json: d_inner %d and d_xb %d do not fit", m.inner, m.xb)
	case m.state < 1 || m.state > 4096 || m.xb%m.state != 0 || m.rank < 1 || m.rank > maxWidth || m.conv < 2 || m.conv > 64:
		return nil, fmt.Errorf("mamba_config.json: d_state %d, dt_rank %d, d_conv %d do not fit d_xb %d", m.state, m.rank, m.conv, m.xb)
	case second && m.rank*m.state != m.inner:
		return nil, fmt.Errorf("mamba_config.json: %d groups of %d states are not d_inner %d", m.rank, m.state, m.inner)
	}
	wide := m.xb
	if m.repeatBeforeConv {
		wide = m.inner
	}
	m.convChannels = wide
	if second {
		m.convChannels = 2*wide + m.inner
	}
	m.inProjection = 2*m.inner + 2*m.xb + m.rank
	return m, nil
}

func (m *mixer) keys(p *plan) {
	p.setArch("ssm.version", uint32(m.version))
	p.setArch("ssm.conv_kernel", uint32(m.conv))
	p.setArch("ssm.inner_size", uint32(m.inner))
	p.setArch("ssm.state_size", uint32(m.state))
	p.setArch("ssm.time_step_rank", uint32(m.rank))
	p.setArch("ssm.group_count", uint32(m.groups))
	p.setArch("ssm.xb_size", uint32(m.xb))
	p.setArch("ssm.repeat_before_conv", m.repeatBeforeConv)
}

// plan adds one Mamba layer's tensors; ssm_in's rows are z, x, B, C, dt.
func (m *mixer) plan(p *plan, t *takes, dModel int, in, blk string) {
	switch {
	case m.version == 2 || t.has(in+"in_proj.weight"):
		p.matrix(t, blk+"ssm_in.weight", dModel, whole(t.take(in+"in_proj.weight", m.inProjection, dModel)))
	default:
		p.matrix(t, blk+"ssm_in.weight", dModel,
			whole(t.take(in+"in_proj_z.weight", m.inner, dModel)),
			whole(t.take(in+"in_proj_x.weight", m.xb, dModel)),
			whole(t.take(in+"B_proj.weight", m.xb, dModel)),
			whole(t.take(in+"C_proj.weight", m.inner, dModel)),
			whole(t.take(in+"dt_proj_down.weight", m.rank, dModel)))
	}
	p.vector(t, blk+"ssm_conv1d.weight", t.take(in+"conv1d.weight", m.convChannels, 1, m.conv), dims(m.conv, m.convChannels), nil)
	p.vector(t, blk+"ssm_conv1d.bias", t.take(in+"conv1d.bias", m.convChannels), dims(m.convChannels), nil)
	if m.version == 1 {
		p.matrix(t, blk+"ssm_dt.weight", m.rank, whole(t.take(in+"dt_proj.weight", m.inner, m.rank)))
		p.vector(t, blk+"ssm_dt.bias", t.take(in+"dt_proj.bias", m.inner), dims(m.inner), twice)
		p.vector(t, blk+"ssm_a", t.take(in+"A_log", m.inner, m.state), dims(m.state, m.inner), decay)
		p.vector(t, blk+"ssm_d", t.take(in+"D", m.inner), dims(m.inner), nil)
	} else {
		p.vector(t, blk+"ssm_dt.bias", t.take(in+"dt_bias", m.rank), dims(m.rank), nil)
		p.vector(t, blk+"ssm_a", t.take(in+"A_log", m.rank), dims(1, m.rank), decay)
		p.vector(t, blk+"ssm_d", t.take(in+"D", m.rank), dims(1, m.rank), nil)
		p.vector(t, blk+"ssm_norm.weight", t.take(in+"norm.weight", m.inner), dims(m.inner/m.groups, m.groups), nil)
	}
	p.matrix(t, blk+"ssm_out.weight", m.inner, whole(t.take(in+"out_proj.weight", dModel, m.inner)))
}
