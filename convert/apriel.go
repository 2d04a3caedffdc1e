package convert

import (
	"fmt"

	"github.com/mil-run/mil/format"
)

// aprielLayout recognises Apriel-H1: Mistral's layers, in some of which M1's Mamba
// mixer took the place of attention, and layers that do nothing, which are left
// out of the file.
func aprielLayout(in *input) (*plan, bool, error) {
	c, t := in.config, in.lookup
	if !c.apriel() || !t.has("model.embed_tokens.weight") {
		return nil, false, nil
	}
	unknown, err := c.checkApriel()
	if err != nil {
		return nil, true, err
	}
	ssm, err := hybridSSM(c, c.aprielMamba(), false)
	if err != nil {
		return nil, true, err
	}
	var kinds []string
	for i, kind := range c.Layout {
		if kind != "i" {
			kinds, c.places = append(kinds, kind), append(c.places, i)
		}
	}
	if c.Layers = len(kinds); c.Layers == 0 {
		return nil, true, fmt.Errorf("config.json: no layer of hybrid_block_layout does anything")
	}
	m, factors, err := c.modelConfig(format.Arch, t, false)
	if err != nil {
		return nil, true, err
	}
	m.SSM = ssm
	for i, kind := range kinds {
		if kind != "t" {
			m.KVHeads[i] = 0
		}
	}
	p, err := c.llamaLike(m, t, factors, nil, func(prefix string) map[string]from {
		return merge(llamaNames, c.attentionNames(t, prefix, "self_attn.", c.HeadDim), aprielNames)
	})
	if err != nil {
		return nil, true, err
	}
	p.warnings = unknownKeys("config.json", unknown)
	return p, true, nil
}

// aprielNames are the tensors of a Mamba mixer. The bias of dt counts twice, as in
// M1.
var aprielNames = map[string]from{
	"ssm_in.weight":     {under: []string{"mixer.in_proj.weight", "", "", "", "mixer.dt_in_proj.weight"}},
	"ssm_conv1d.weight": {tensor: "mixer.conv1d.weight", depthwise: true},
	"ssm_conv1d.bias":   is("mixer.conv1d.bias"),
	"ssm_dt.weight":     is("mixer.dt_proj.weight"),
	"ssm_dt.bias":       {tensor: "mixer.dt_proj.bias", value: twice},
	"ssm_a":             {tensor: "mixer.A_log", value: decay},
	"ssm_d":             is("mixer.D"),
	"ssm_out.weight":    is("mixer.out_proj.weight"),
}

// apriel reports whether the model_type is one of Apriel-H1's.
func (c *config) apriel() bool {
	return c.model() == "apriel_hybrid_ssm" || c.model() == "apriel_ssm_hybrid"
}

// aprielMamba is ssm_cfg in the form of a mamba_config.json.
func (c *config) aprielMamba() *mambaConfig {
	return &mambaConfig{SSM: c.SSM, DInner: c.SSM.DInner, DXB: c.SSM.DXB}
}

// checkApriel checks the config.
func (c *config) checkApriel() (unknown []string, err error) {
	if unknown, err = c.members.check("config.json", aprielKeys); err != nil {
		return nil, err
	}
	more, err := c.SSM.members.check("config.json: ssm_cfg", aprielSSMKeys)
	if err != nil {
		return nil, err
	}
	c.Layers = or(c.Layers, len(c.Layout))
	if err := c.checkLlama(); err != nil {
		return nil, err
	}
	if len(c.Layout) != c.Layers {
		return nil, fmt.Errorf("config.json: hybrid_block_layout names %d layers of %d", len(c.Layout), c.Layers)
	}
	for i, kind := range c.Layout {
		switch kind {
		case "t", "m2", "i":
		case "m2d":
			return nil, fmt.Errorf("config.json: hybrid_block_layout: layer %d is m2d, discrete Mamba-2, which mil does not run", i)
		default:
			return nil, fmt.Errorf("config.json: hybrid_block_layout: layer %d is %.60q (known: t, m2, i)", i, kind)
		}
	}
	return append(unknown, more...), nil
}
