package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

// qwerky is the model_type of Qwerky's files. They hold the same model under
// other names of the config, and their authors run them with rope_scaling.
const qwerky = "mambainllama_mamba"

// errNoMambaConfig is the error for a hybrid without a mamba config anywhere.
var errNoMambaConfig = errors.New("mamba_config.json is missing: its tensors say this is a hybrid; copy the file from the checkpoint's repository")

// hybridTypes are the models that hybrids were made of.
var hybridTypes = []string{"llama", "mistral", "qwen2", qwerky}

// qwerky brings Qwerky's names to those of mamba_config.json: ssm_config, in
// mamba_config.json or in config.json itself.
func (in *input) qwerky() error {
	m := in.mamba
	if in.config.model() == qwerky && !in.hasMamba {
		raw := in.config.members["mamba_config"]
		if len(raw) == 0 || isEmpty(raw) {
			raw = []byte("{}")
			if _, ok := in.config.members["ssm_config"]; ok {
				return in.qwerkyInside()
			}
		}
		if err := json.Unmarshal(raw, m); err != nil {
			return fmt.Errorf("config.json: mamba_config is %s", show(raw))
		}
		in.hasMamba = len(m.members) > 0
	}
	if m.Qwerky != nil {
		m.SSM = *m.Qwerky
	}
	return nil
}

// qwerkyInside takes the mamba config from config.json's own keys.
func (in *input) qwerkyInside() error {
	mine := members{}
	for _, key := range []string{"d_model", "ssm_config", "rms_norm_eps", "d_inner", "d_xb", "n_layer", "attn_layers"} {
		if v, ok := in.config.members[key]; ok {
			mine[key] = v
		}
	}
	raw, err := json.Marshal(mine)
	if err == nil {
		err = json.Unmarshal(raw, in.mamba)
	}
	if err != nil {
		return fmt.Errorf("config.json: ssm_config: %w", err)
	}
	in.mamba.SSM, in.hasMamba = *in.mamba.Qwerky, true
	return nil
}

// hybridLayout recognises the distilled hybrids and plans them. They have
// Mamba-1 or Mamba-2 layers, in the merged or the unmerged naming.
func hybridLayout(in *input) (*plan, bool, error) {
	t := in.lookup
	if !t.has("model.embed_tokens.weight") || !in.any(".mamba.") {
		return nil, false, nil
	}
	if err := in.checkType(hybridTypes...); err != nil {
		return nil, true, err
	}
	if !in.hasMamba {
		return nil, true, errNoMambaConfig
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
	ssm, err := hybridSSM(c, mc, in.any(".mamba.dt_bias"))
	if err != nil {
		return nil, true, err
	}
	plain := in.any(".mha.in_proj.weight") && !in.ropeScaling && c.model() != qwerky
	if r, err := c.readRope(); err == nil && plain && r.Type != "" {
		warnings = append(warnings, fmt.Sprintf("config.json: rope_scaling %q is left out, since models with mha.in_proj are trained and run without it; --rope-scaling applies it", r.Type))
	}
	m, factors, err := c.modelConfig(format.Arch, t, plain)
	if err != nil {
		return nil, true, err
	}
	m.SSM = ssm
	for i := range m.KVHeads {
		if !attention[i] {
			m.KVHeads[i] = 0
		}
	}
	p, err := c.llamaLike(m, t, factors, nil, func(prefix string) map[string]from {
		return merge(llamaNames, c.attentionNames(t, prefix, "self_attn.", c.HeadDim), c.feedForwardBiases(),
			hybridNames(ssm.Version, t.has(prefix+"mamba.in_proj.weight")))
	})
	if err != nil {
		return nil, true, err
	}
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

// hybridSSM is the shape of the hybrids' Mamba layers.
func hybridSSM(c *config, mc *mambaConfig, second bool) (model.SSM, error) {
	m := model.SSM{Version: 1, Inner: or(mc.DInner, c.HiddenSize), XB: or(mc.DXB, c.KVHeads*c.HeadDim), Conv: or(mc.SSM.DConv, 4), Groups: 1, RepeatBeforeConv: true}
	if second {
		m.Version = 2
		m.Groups = or(mc.SSM.Groups, c.Heads)
		m.Rank = m.Groups
		m.State = or(mc.SSM.DState, c.HeadDim)
		m.RepeatBeforeConv = false
	} else {
		m.State = or(mc.SSM.DState, 16)
		rank, err := mc.SSM.rank(c.HiddenSize)
		if err != nil {
			return m, fmt.Errorf("mamba_config.json: %w", err)
		}
		m.Rank = rank
	}
	if r := mc.SSM.RepeatBeforeConv; r != nil {
		m.RepeatBeforeConv = *r
	}
	switch {
	case m.Inner < 1 || m.Inner > maxWidth || m.XB < 1 || m.XB > m.Inner || m.Inner%m.XB != 0:
		return m, fmt.Errorf("mamba_config.json: d_inner %d and d_xb %d do not fit", m.Inner, m.XB)
	case m.State < 1 || m.State > 4096 || m.XB%m.State != 0 || m.Rank < 1 || m.Rank > maxWidth || m.Conv < 2 || m.Conv > 64:
		return m, fmt.Errorf("mamba_config.json: d_state %d, dt_rank %d, d_conv %d do not fit d_xb %d", m.State, m.Rank, m.Conv, m.XB)
	case second && m.Rank*m.State != m.Inner:
		return m, fmt.Errorf("mamba_config.json: %d groups of %d states are not d_inner %d", m.Rank, m.State, m.Inner)
	}
	return m, nil
}

// hybridNames are the tensors of a Mamba layer. Its projections may be merged.
func hybridNames(version int, merged bool) map[string]from {
	list := map[string]from{
		"ssm_in.weight":     is("mamba.in_proj.weight"),
		"ssm_conv1d.weight": {tensor: "mamba.conv1d.weight", depthwise: true},
		"ssm_conv1d.bias":   is("mamba.conv1d.bias"),
		"ssm_dt.bias":       is("mamba.dt_bias"),
		"ssm_a":             {tensor: "mamba.A_log", value: decay},
		"ssm_d":             is("mamba.D"),
		"ssm_norm.weight":   is("mamba.norm.weight"),
		"ssm_out.weight":    is("mamba.out_proj.weight"),
	}
	if version == 1 {
		list["ssm_dt.weight"] = is("mamba.dt_proj.weight")
		list["ssm_dt.bias"] = from{tensor: "mamba.dt_proj.bias", value: twice}
		if !merged {
			list["ssm_in.weight"] = from{under: []string{"mamba.in_proj_z.weight", "mamba.in_proj_x.weight", "mamba.B_proj.weight", "mamba.C_proj.weight", "mamba.dt_proj_down.weight"}}
		}
	}
	return list
}
