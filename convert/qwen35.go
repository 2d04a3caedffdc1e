package convert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mil-run/mil/model"
)

// deltaConfig is a transformers model of which some layers are gated delta nets.
type deltaConfig struct {
	KeyHeads  int  `json:"linear_num_key_heads"`
	Keys      int  `json:"linear_key_head_dim"`
	DeltaHead int  `json:"linear_num_value_heads"`
	Values    int  `json:"linear_value_head_dim"`
	DeltaConv int  `json:"linear_conv_kernel_dim"`
	Interval  *int `json:"full_attention_interval"`
}

// qwen35Layout recognises the text part of Qwen3.5 without experts: gated delta nets
// and attention with a gate. It becomes ggml's qwen35.
func qwen35Layout(in *input) (*plan, bool, error) {
	c, t := in.config, in.lookup
	if c.model() != "qwen3_5_text" || !t.has("model.embed_tokens.weight") {
		return nil, false, nil
	}
	unknown, err := c.checkQwen35()
	if err != nil {
		return nil, true, err
	}
	m, factors, err := c.modelConfig("qwen35", t, false)
	if err != nil {
		return nil, true, err
	}
	if factors != nil {
		return nil, true, fmt.Errorf("config.json: rope_scaling of heads that are rotated in part")
	}
	left := t.ignoreParts()
	part := c.rotaryPart()
	if m.Rope.Dims = int(part*float64(c.HeadDim)) &^ 1; m.Rope.Dims < 2 || m.Rope.Dims > c.HeadDim {
		return nil, true, fmt.Errorf("config.json: partial_rotary_factor is %g", part)
	}
	m.SSM = model.SSM{Version: 2, Conv: c.DeltaConv, Inner: c.DeltaHead * c.Values, State: c.Keys, Rank: c.DeltaHead, Groups: c.KeyHeads, XB: c.DeltaHead * c.Values}
	for i := range m.KVHeads {
		if attention, _ := c.attends(i); !attention {
			m.KVHeads[i] = 0
		}
	}
	p, err := c.llamaLike(m, t, factors, map[string]from{"output_norm.weight": {tensor: "model.norm.weight", value: plusOne}}, func(prefix string) map[string]from {
		return merge(llamaNames, c.attentionNames(t, prefix, "self_attn.", 0), c.deltaNames(), map[string]from{
			"attn_norm.weight":           {tensor: "input_layernorm.weight", value: plusOne},
			"post_attention_norm.weight": {tensor: "post_attention_layernorm.weight", value: plusOne},
			"attn_q_norm.weight":         {tensor: "self_attn.q_norm.weight", value: plusOne},
			"attn_k_norm.weight":         {tensor: "self_attn.k_norm.weight", value: plusOne},
		})
	})
	if err != nil {
		return nil, true, err
	}
	p.warnings = append(left, unknownKeys("config.json", unknown)...)
	return p, true, nil
}

// text takes the config of the text part, where the model is one that sees images.
func (in *input) text() error {
	c := in.config
	raw := c.members["text_config"]
	if c.model() != "qwen3_5" || len(raw) == 0 || isEmpty(raw) {
		return nil
	}
	inner := &config{}
	if err := json.Unmarshal(raw, inner); err != nil {
		return fmt.Errorf("config.json: text_config is %s", show(raw))
	}
	inner.NameOrPath, inner.License = c.NameOrPath, c.License
	inner.ModelType = cmp.Or(inner.ModelType, "qwen3_5_text")
	inner.TieWords = cmp.Or(c.TieWords, inner.TieWords)
	if len(inner.EOS) == 0 {
		inner.EOS = c.EOS
	}
	for _, key := range []string{"quantization_config", "compression_config"} {
		if v, ok := c.members[key]; ok {
			inner.members[key] = v
		}
	}
	in.config = inner
	return nil
}

// ignoreParts leaves out the tensors of parts that mil does not run, and says so.
func (t *lookup) ignoreParts() (warnings []string) {
	for _, part := range []struct{ prefix, what string }{{"model.visual.", "what sees images"}, {"mtp.", "the head that drafts"}} {
		n := 0
		for _, name := range t.c.Names() {
			if strings.HasPrefix(name, part.prefix) {
				t.ignore(name)
				n++
			}
		}
		if n > 0 {
			warnings = append(warnings, fmt.Sprintf("%s is left out (%d tensors, %s...)", part.what, n, part.prefix))
		}
	}
	return warnings
}

// plusOne is the weight of a norm whose checkpoints hold how far it is from one.
func plusOne(w float32) float32 { return w + 1 }

// deltaNames are the tensors of a gated delta net. A checkpoint has the heads of
// values that share one of keys side by side; ggml has them as many heads apart as
// there are heads of keys.
func (c *config) deltaNames() map[string]from {
	heads := func(dim int) func(int) int {
		each := c.DeltaHead / c.KeyHeads
		return func(i int) int {
			h := i / dim
			return (h%c.KeyHeads*each+h/c.KeyHeads)*dim + i%dim
		}
	}
	values := heads(c.Values)
	behind := 2 * c.KeyHeads * c.Keys // where the rows of values begin
	mixed := func(r int) int {
		if r < behind {
			return r
		}
		return behind + values(r-behind)
	}
	taps := func(i int) int { return mixed(i/c.DeltaConv)*c.DeltaConv + i%c.DeltaConv }
	return map[string]from{
		"attn_qkv.weight":   {tensor: "linear_attn.in_proj_qkv.weight", order: mixed},
		"attn_gate.weight":  {tensor: "linear_attn.in_proj_z.weight", order: values},
		"ssm_beta.weight":   {tensor: "linear_attn.in_proj_b.weight", order: heads(1)},
		"ssm_alpha.weight":  {tensor: "linear_attn.in_proj_a.weight", order: heads(1)},
		"ssm_conv1d.weight": {tensor: "linear_attn.conv1d.weight", order: taps, depthwise: true},
		"ssm_dt.bias":       {tensor: "linear_attn.dt_bias", order: heads(1)},
		"ssm_a":             {tensor: "linear_attn.A_log", order: heads(1), value: decay},
		"ssm_norm.weight":   is("linear_attn.norm.weight"),
		"ssm_out.weight":    {tensor: "linear_attn.out_proj.weight", columns: values},
	}
}

// checkQwen35 checks the config of a Qwen3.5.
func (c *config) checkQwen35() (unknown []string, err error) {
	if unknown, err = c.members.check("config.json", qwen35Keys); err != nil {
		return nil, err
	}
	c.HeadDim = or(c.HeadDim, 256) // this and the following are transformers' defaults
	c.KeyHeads, c.Keys = or(c.KeyHeads, 16), or(c.Keys, 128)
	c.DeltaHead, c.Values, c.DeltaConv = or(c.DeltaHead, 32), or(c.Values, 128), or(c.DeltaConv, 4)
	if c.LayerTypes == nil {
		every := 4
		if c.Interval != nil {
			every = *c.Interval
		}
		for i := range min(max(c.Layers, 0), maxLayers) {
			kind := "linear_attention"
			if every > 0 && (i+1)%every == 0 {
				kind = "full_attention"
			}
			c.LayerTypes = append(c.LayerTypes, kind)
		}
	}
	for i, kind := range c.LayerTypes {
		if kind != "full_attention" && kind != "linear_attention" {
			return nil, fmt.Errorf("config.json: layer %d is of the kind %.60q, which mil does not know", i, kind)
		}
	}
	switch {
	case len(c.LayerTypes) != c.Layers:
		return nil, fmt.Errorf("config.json: kinds of %d layers of %d", len(c.LayerTypes), c.Layers)
	case c.KeyHeads < 1 || c.KeyHeads > maxWidth || c.DeltaHead < 1 || c.DeltaHead > maxWidth || c.DeltaHead%c.KeyHeads != 0 || c.Keys < 1 || c.Keys > 1024 || c.Values < 1 || c.Values > 1024 || c.DeltaConv < 2 || c.DeltaConv > 64:
		return nil, fmt.Errorf("config.json: delta nets of %d heads of %d values, %d heads of %d keys and %d taps are no model", c.DeltaHead, c.Values, c.KeyHeads, c.Keys, c.DeltaConv)
	}
	return unknown, c.checkLlama()
}

// rotaryPart is the part of a head's channels that is rotated.
func (c *config) rotaryPart() float64 {
	part := 0.25 // transformers' default
	var r struct {
		Part *float64 `json:"partial_rotary_factor"`
	}
	if c.Rotary != nil {
		part = *c.Rotary
	} else if json.Unmarshal(c.RopeParams, &r) == nil && r.Part != nil {
		part = *r.Part
	}
	return part
}
