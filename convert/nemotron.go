package convert

import (
	"fmt"

	"github.com/mil-run/mil/model"
)

// nemotronLayout recognises Nemotron-H without experts: a layer is Mamba-2,
// attention without rotation, or a feed-forward with squared ReLU.
func nemotronLayout(in *input) (*plan, bool, error) {
	c, t := in.config, in.lookup
	if c.model() != "nemotron_h" || !t.has("backbone.embeddings.weight") {
		return nil, false, nil
	}
	unknown, err := c.checkNemotron()
	if err != nil {
		return nil, true, err
	}
	m, err := c.nemotron()
	if err != nil {
		return nil, true, err
	}
	embd, _ := t.c.Tensor("backbone.embeddings.weight")
	m.Vocab = or(c.VocabSize, embd.Rows())
	p, err := newPlan(m, c.tied(false))
	if err != nil {
		return nil, true, err
	}
	outer := map[string]from{
		"token_embd.weight":  is("backbone.embeddings.weight"),
		"output_norm.weight": is("backbone.norm_f.weight"),
	}
	if p.tied {
		t.ignore("lm_head.weight")
	} else {
		outer["output.weight"] = is("lm_head.weight")
	}
	p.fill(t, func(i int) (string, map[string]from) {
		if i < 0 {
			return "", outer
		}
		prefix := fmt.Sprintf("backbone.layers.%d.", i)
		return prefix, c.nemotronNames(t, prefix)
	})
	t.rest()
	p.warnings = unknownKeys("config.json", unknown)
	return p, true, t.err
}

// nemotronNames are the tensors of a layer, of whatever kind.
func (c *config) nemotronNames(t *lookup, prefix string) map[string]from {
	mixer := pure{second: true}
	list := merge(mixer.names(), c.attentionNames(t, prefix, "mixer.", 0), map[string]from{
		"ffn_up.weight":   is("mixer.up_proj.weight"),
		"ffn_down.weight": is("mixer.down_proj.weight"),
	})
	if c.MLPBias {
		list["ffn_up.bias"], list["ffn_down.bias"] = is("mixer.up_proj.bias"), is("mixer.down_proj.bias")
	}
	return list
}

// nemotron is the model's config without the vocabulary.
func (c *config) nemotron() (*model.Config, error) {
	m := &model.Config{Arch: "nemotron_h", Depth: c.Layers, DModel: c.HiddenSize, Context: c.MaxPositions, Eps: float32(*c.Eps),
		Heads: c.Heads, HeadDim: c.HeadDim, KVHeads: make([]int, c.Layers), Inner: make([]int, c.Layers),
		SSM: model.SSM{Version: 2, Conv: or(c.ConvKernel, 4), State: or(c.SSMState, 128), Groups: or(c.Groups, 8), Rank: or(c.MambaNumHead, 128)}}
	head := or(c.MambaHeadDim, 64)
	m.SSM.Inner = m.SSM.Rank * head
	m.SSM.XB = m.SSM.Inner
	m.SSM.MinStep = 0.001 // transformers' default
	if c.MinStep != nil {
		m.SSM.MinStep = *c.MinStep
	}
	m.SSM.MinStep = float64(float32(m.SSM.MinStep)) // as the file holds it
	for i, kind := range c.Blocks {
		switch kind {
		case "full_attention", "attention":
			m.KVHeads[i] = c.KVHeads
		case "mlp":
			m.Inner[i] = c.Intermediate
		case "linear_attention", "mamba":
		case "moe":
			return nil, fmt.Errorf("config.json: layer %d is a mixture of experts, which mil does not run", i)
		default:
			return nil, fmt.Errorf("config.json: layer %d is of the kind %.60q, which mil does not know", i, kind)
		}
	}
	return m, checkMamba2(m.SSM, head)
}

// nemotronBlocks are the letters of hybrid_override_pattern.
var nemotronBlocks = map[rune]string{'M': "mamba", '*': "attention", '-': "mlp", 'E': "moe"}

// checkNemotron checks the config of a Nemotron-H and brings its lists and names
// to one form.
func (c *config) checkNemotron() (unknown []string, err error) {
	if unknown, err = c.members.check("config.json", nemotronKeys); err != nil {
		return nil, err
	}
	if c.Blocks == nil {
		for _, r := range c.Pattern {
			c.Blocks = append(c.Blocks, nemotronBlocks[r])
		}
	}
	c.Layers = or(c.Layers, len(c.Blocks))
	if len(c.Blocks) != c.Layers {
		return nil, fmt.Errorf("config.json: kinds of %d layers of %d", len(c.Blocks), c.Layers)
	}
	c.HeadDim = or(c.HeadDim, c.AttnHeadDim)
	if c.LayerEps != nil {
		c.Eps = c.LayerEps
	} else if c.Eps == nil {
		eps := 1e-5 // transformers' default
		c.Eps = &eps
	}
	if err := c.checkLlama(); err != nil {
		return nil, err
	}
	_, err = c.nemotron()
	return unknown, err
}
