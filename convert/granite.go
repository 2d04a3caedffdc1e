package convert

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mil-run/mil/model"
)

// mambaDefaults are transformers' values for configs that do not say.
const (
	defaultMambaHeads = 128
	defaultMambaState = 256
)

// graniteLayout recognises Granite 4.0-H without experts, and Bamba: layers of
// Mamba-2 or attention with SwiGLU. They become ggml's granitehybrid.
func graniteLayout(in *input) (*plan, bool, error) {
	c, t := in.config, in.lookup
	bamba := c.model() == "bamba"
	if !bamba && c.model() != "granitemoehybrid" || !t.has("model.embed_tokens.weight") {
		return nil, false, nil
	}
	unknown, err := c.checkGranite()
	if err != nil {
		return nil, true, err
	}
	m, factors, err := c.modelConfig("granitehybrid", t, false)
	if err != nil {
		return nil, true, err
	}
	if m.SSM, err = c.mamba2(); err != nil {
		return nil, true, err
	}
	if m.Rope.Dims = c.rotated(); m.Rope.Dims == 0 || m.Rope.Dims != c.HeadDim {
		if factors != nil {
			return nil, true, fmt.Errorf("config.json: rope_scaling of heads that are rotated in part")
		}
	}
	for i := range m.KVHeads {
		prefix := fmt.Sprintf("model.layers.%d.", i)
		attention := t.has(prefix + "self_attn.q_proj.weight")
		if said, ok := c.attends(i); ok && said != attention {
			return nil, true, fmt.Errorf("config.json: the list of layers and the tensors disagree about layer %d", i)
		}
		if !attention {
			m.KVHeads[i] = 0
		}
	}
	m.Scales = c.scales()
	outer, inner := map[string]from{}, graniteInner(c)
	if bamba {
		outer["output_norm.weight"], inner = is("model.final_layernorm.weight"), bambaInner
	}
	p, err := c.llamaLike(m, t, factors, outer, func(prefix string) map[string]from {
		return merge(inner, c.attentionNames(t, prefix, "self_attn.", m.Rope.Dims), hybridNames(2, true))
	})
	if err != nil {
		return nil, true, err
	}
	p.warnings = unknownKeys("config.json", unknown)
	return p, true, nil
}

// checkGranite checks the config of Granite 4.0-H or Bamba.
func (c *config) checkGranite() (unknown []string, err error) {
	keys := graniteKeys
	if c.model() == "bamba" {
		keys = bambaKeys
	} else {
		c.Intermediate = or(c.SharedInner, c.Intermediate)
	}
	if v := c.members["num_local_experts"]; len(v) > 0 && !isEmpty(v) {
		return nil, fmt.Errorf("config.json: %w %q (Granite 4.0-H with a mixture of experts); take a checkpoint of a family that mil runs (%s)", ErrArchitecture, c.model(), known)
	}
	if unknown, err = c.members.check("config.json", keys); err != nil {
		return nil, err
	}
	if err := c.checkLlama(); err != nil {
		return nil, err
	}
	for _, v := range []struct {
		key string
		v   *float64
	}{{"embedding_multiplier", c.EmbeddingMul}, {"residual_multiplier", c.ResidualMul}, {"logits_scaling", c.LogitsScaling}, {"attention_multiplier", c.Multiplier}} {
		if v.v != nil && !(positive(*v.v) && *v.v > 1e-6 && *v.v < 1e6) {
			return nil, fmt.Errorf("config.json: %s is %g", v.key, *v.v)
		}
	}
	_, err = c.mamba2()
	return unknown, err
}

// bambaInner and graniteInner are the tensors of a layer beside its mixer. In
// Granite the gate's rows lie above those of up.
var bambaInner = map[string]from{
	"attn_norm.weight": is("input_layernorm.weight"),
	"ffn_norm.weight":  is("pre_ff_layernorm.weight"),
	"ffn_gate.weight":  is("feed_forward.gate_proj.weight"),
	"ffn_up.weight":    is("feed_forward.up_proj.weight"),
	"ffn_down.weight":  is("feed_forward.down_proj.weight"),
}

func graniteInner(c *config) map[string]from {
	rows := func(off int) from {
		return from{tensor: "shared_mlp.input_linear.weight", rows: 2 * c.Intermediate, order: func(r int) int { return off + r }}
	}
	return map[string]from{
		"attn_norm.weight": is("input_layernorm.weight"),
		"ffn_norm.weight":  is("post_attention_layernorm.weight"),
		"ffn_gate.weight":  rows(0),
		"ffn_up.weight":    rows(c.Intermediate),
		"ffn_down.weight":  is("shared_mlp.output_linear.weight"),
	}
}

// scales are Granite's multipliers. They stay numbers: 0.22 and the like have no
// exact product with a weight in any type.
func (c *config) scales() model.Scales {
	of := func(v *float64) float64 {
		if v == nil || *v == 1 {
			return 0
		}
		return float64(float32(*v)) // as the file holds it
	}
	s := model.Scales{Embedding: of(c.EmbeddingMul), Residual: of(c.ResidualMul), Logits: of(c.LogitsScaling)}
	if c.Multiplier != nil {
		s.Attention = float64(float32(*c.Multiplier))
	}
	return s
}

// rotated is how many channels of a head are rotated.
func (c *config) rotated() int {
	if c.model() == "bamba" {
		part := 0.5 // transformers' own value
		if c.Rotary != nil {
			part = *c.Rotary
		}
		return int(part*float64(c.HeadDim)) &^ 1
	}
	if c.PositionKind == "rope" {
		return c.HeadDim
	}
	return 0
}

// attends says whether the config has attention in layer i, if it says.
func (c *config) attends(i int) (attention, said bool) {
	switch {
	case i < len(c.LayerTypes):
		return c.LayerTypes[i] == "attention" || c.LayerTypes[i] == "full_attention", true
	case c.AttnIndices != nil:
		return slices.Contains(c.AttnIndices, i), true
	}
	return false, false
}

// mamba2 is the shape of transformers' Mamba-2 mixers within other models.
func (c *config) mamba2() (model.SSM, error) {
	expand := 2.0
	if c.MambaExpand != nil {
		expand = *c.MambaExpand
	}
	m := model.SSM{Version: 2, Conv: or(c.MambaConv, 4), Inner: or(c.MambaInner, int(expand*float64(c.HiddenSize))), Groups: or(c.MambaGroups, 1),
		State: or(c.MambaState, defaultMambaState), Rank: or(c.MambaHeads, defaultMambaHeads)}
	m.XB = m.Inner
	var head int
	if auto := len(c.MambaHead) == 0 || string(c.MambaHead) == `"auto"` || string(c.MambaHead) == "null"; auto {
		head = m.Inner / max(1, m.Rank)
	} else if err := json.Unmarshal(c.MambaHead, &head); err != nil {
		return m, fmt.Errorf("config.json: mamba_d_head is %s", show(c.MambaHead))
	}
	return m, checkMamba2(m, head)
}

// checkMamba2 refuses shapes that no Mamba-2 has.
func checkMamba2(m model.SSM, head int) error {
	if m.Inner < 1 || m.Inner > maxWidth || m.Rank < 1 || m.Rank > maxWidth || m.Groups < 1 || m.Groups > m.Rank || head < 1 || m.Rank*head != m.Inner ||
		m.Rank%m.Groups != 0 || m.State < 1 || m.State > 4096 || m.Conv < 2 || m.Conv > 64 {
		return fmt.Errorf("config.json: Mamba-2 of %d channels in %d heads of %d, %d states, %d groups, %d taps is no model", m.Inner, m.Rank, head, m.State, m.Groups, m.Conv)
	}
	return nil
}
