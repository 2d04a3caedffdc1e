package convert

import (
	"fmt"
)

// falconLayout recognises Falcon-H1: Mamba-2 and attention side by side in every
// layer, and SwiGLU.
//
// Its multipliers go into the rows they belong to, as ggml has them. So the file's
// weights are one rounding of their type from the checkpoint's products.
func falconLayout(in *input) (*plan, bool, error) {
	c, t := in.config, in.lookup
	if c.model() != "falcon_h1" || !t.has("model.embed_tokens.weight") {
		return nil, false, nil
	}
	unknown, err := c.checkFalcon()
	if err != nil {
		return nil, true, err
	}
	m, factors, err := c.modelConfig("falcon-h1", t, false)
	if err != nil {
		return nil, true, err
	}
	if m.SSM, err = c.mamba2(); err != nil {
		return nil, true, err
	}
	embedding := all(c.EmbeddingMul)
	outer := map[string]from{
		"token_embd.weight":  {tensor: "model.embed_tokens.weight", factor: embedding},
		"output_norm.weight": is("model.final_layernorm.weight"),
		"output.weight":      {tensor: "lm_head.weight", factor: all(c.LMHeadMul)},
	}
	if c.tied(false) {
		outer["output.weight"] = from{tensor: "model.embed_tokens.weight", factor: all(c.LMHeadMul)}
	}
	p, err := c.llamaLike(m, t, factors, outer, func(prefix string) map[string]from {
		return c.falconNames(t, prefix, m.SSM.Inner, m.SSM.Groups*m.SSM.State)
	})
	if err != nil {
		return nil, true, err
	}
	p.warnings = unknownKeys("config.json", unknown)
	return p, true, nil
}

// falconNames are the tensors of a layer with their multipliers. z and x have inner
// rows in ssm_in, B and C have states.
func (c *config) falconNames(t *lookup, prefix string, inner, states int) map[string]from {
	list := merge(bambaInner, c.attentionNames(t, prefix, "self_attn.", 0), hybridNames(2, true))
	list["ffn_norm"] = list["ffn_norm.weight"]
	if !c.MambaNorm {
		delete(list, "ssm_norm.weight")
	}
	times := func(slot string, factors ...*float64) {
		f := list[slot]
		f.factor = all(factors...)
		list[slot] = f
	}
	times("attn_q.weight", c.AttnInMul)
	times("attn_k.weight", c.AttnInMul, c.KeyMul)
	times("attn_v.weight", c.AttnInMul)
	times("attn_output.weight", c.AttnOutMul)
	times("ssm_out.weight", c.SSMOutMul)
	if len(c.MLPMuls) == 2 {
		times("ffn_gate.weight", &c.MLPMuls[0])
		times("ffn_down.weight", &c.MLPMuls[1])
	}
	in, parts := list["ssm_in.weight"], c.SSMMuls
	whole := all(c.SSMInMul)
	in.factor = func(row int) float32 {
		if len(parts) != 5 {
			return whole(row)
		}
		part := 0
		for _, end := range []int{inner, 2 * inner, 2*inner + states, 2*inner + 2*states} {
			if row >= end {
				part++
			}
		}
		return whole(row) * float32(parts[part])
	}
	list["ssm_in.weight"] = in
	return list
}

// all multiplies every row with the same numbers; nil is 1.
func all(factors ...*float64) func(int) float32 {
	product := 1.0
	for _, f := range factors {
		if f != nil {
			product *= *f
		}
	}
	return func(int) float32 { return float32(product) }
}

// checkFalcon checks the config of a Falcon-H1.
func (c *config) checkFalcon() (unknown []string, err error) {
	if unknown, err = c.members.check("config.json", falconKeys); err != nil {
		return nil, err
	}
	if c.MambaNorm && (c.NormFirst == nil || *c.NormFirst) {
		return nil, fmt.Errorf("config.json: mamba_rms_norm with mamba_norm_before_gate, which mil does not compute")
	}
	if n := len(c.MLPMuls); n != 0 && n != 2 {
		return nil, fmt.Errorf("config.json: mlp_multipliers has %d numbers, not 2", n)
	}
	if n := len(c.SSMMuls); n != 0 && n != 5 {
		return nil, fmt.Errorf("config.json: ssm_multipliers has %d numbers, not 5", n)
	}
	if err := c.checkLlama(); err != nil {
		return nil, err
	}
	_, err = c.mamba2()
	return unknown, err
}
