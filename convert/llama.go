package convert

import (
	"fmt"
	"math"
	"strings"

	"github.com/mil-run/mil/model"
)

// Limits on the numbers of a config, far past any real model's.
const (
	maxLayers = 1 << 10
	maxWidth  = 1 << 20
	maxVocab  = 1 << 20 // the tokenizer's limit
)

// llamaNames are the tensors of Llama's layers beside attention's own.
var llamaNames = map[string]from{
	"attn_norm.weight": is("input_layernorm.weight"),
	"ffn_norm.weight":  is("post_attention_layernorm.weight"),
	"ffn_gate.weight":  is("mlp.gate_proj.weight"),
	"ffn_up.weight":    is("mlp.up_proj.weight"),
	"ffn_down.weight":  is("mlp.down_proj.weight"),
}

// pairs puts the channels of each rotated pair side by side, as ggml's llama has
// them. In checkpoints they lie in two halves of the first dims channels of a head
// of d. The tensor's rows begin at off.
func pairs(off, d, dims int) func(int) int {
	return func(r int) int {
		i := r % d
		if i < dims {
			i = i/2 + i%2*(dims/2)
		}
		return off + r/d*d + i
	}
}

// attentionNames are q, k, v and o, in either naming, and their biases: those that
// the config demands, or of merged names those that are there. base is the beginning of the names that are not merged.
// dims of a head's channels are permuted, see [pairs]: those that are rotated, or
// none where the architecture takes halves.
func (c *config) attentionNames(t *lookup, prefix, base string, dims int) map[string]from {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	all := map[string]from{}
	merged := t.has(prefix + "mha.in_proj.weight")
	add := func(slot, name string, order func(int) int) {
		f := from{tensor: base + name, order: order}
		if merged && name == "o_proj" {
			f.tensor = "mha.out_proj"
		} else if merged {
			f.tensor, f.rows = "mha.in_proj", q+2*kv
		}
		for _, kind := range []string{".weight", ".bias"} {
			g := f
			if g.tensor += kind; kind == ".weight" || merged && t.has(prefix+g.tensor) || !merged && c.biased(name) {
				all[slot+kind] = g
			}
		}
	}
	order := func(off int) func(int) int { return pairs(off, c.HeadDim, dims) }
	if merged {
		add("attn_q", "q_proj", order(0))
		add("attn_k", "k_proj", order(q))
		add("attn_v", "v_proj", func(r int) int { return q + kv + r })
	} else {
		if dims == 0 {
			order = func(int) func(int) int { return nil }
		}
		add("attn_q", "q_proj", order(0))
		add("attn_k", "k_proj", order(0))
		add("attn_v", "v_proj", nil)
	}
	add("attn_output", "o_proj", nil)
	return all
}

// biased says whether one of attention's matrices has a bias.
func (c *config) biased(name string) bool {
	return c.AttentionBias || c.qwen() == "qwen2" && name != "o_proj"
}

// feedForwardBiases are those of SwiGLU's matrices, if the config has any.
func (c *config) feedForwardBiases() map[string]from {
	all := map[string]from{}
	if !c.MLPBias {
		return all
	}
	for slot, f := range llamaNames {
		if bias, ok := strings.CutSuffix(f.tensor, "_proj.weight"); ok {
			all[strings.TrimSuffix(slot, "weight")+"bias"] = is(bias + "_proj.bias")
		}
	}
	return all
}

// modelConfig is the part of a model's config that Llama, Mistral and the
// hybrids have in common. factors divide the rotation's frequencies; nil: none.
func (c *config) modelConfig(arch string, t *lookup, plainRope bool) (m *model.Config, factors []float32, err error) {
	if err := c.checkLlama(); err != nil {
		return nil, nil, err
	}
	if err := c.checkScale(); err != nil {
		return nil, nil, err
	}
	r, err := c.readRope()
	if err != nil {
		return nil, nil, err
	}
	m = &model.Config{Arch: arch, Depth: c.Layers, DModel: c.HiddenSize, DFF: c.Intermediate, Context: c.MaxPositions, Eps: float32(*c.Eps),
		Heads: c.Heads, HeadDim: c.HeadDim, KVHeads: make([]int, c.Layers), Rope: model.Rope{Base: r.Theta, Dims: c.HeadDim}}
	for i := range m.KVHeads {
		m.KVHeads[i] = c.KVHeads
	}
	switch {
	case plainRope:
	case r.Type == "linear":
		m.Rope.Scale = r.Factor
	case r.Type == "llama3":
		if factors, err = ropeFactors(r, c.HeadDim); err != nil {
			return nil, nil, err
		}
	}
	embd, _ := t.c.Tensor("model.embed_tokens.weight") // by which the layout was recognised
	m.Vocab = or(c.VocabSize, embd.Rows())
	if m.Vocab < 1 || m.Vocab > maxVocab {
		return nil, nil, fmt.Errorf("config.json: vocab_size is %d", m.Vocab)
	}
	return m, factors, nil
}

// llamaLike plans a Llama, some of whose layers may have a mixer in the place of
// attention. outer are names outside of the layers that differ from Llama's, layer
// all those of the one that begins with prefix.
func (c *config) llamaLike(m *model.Config, t *lookup, factors []float32, outer map[string]from, layer func(prefix string) map[string]from) (*plan, error) {
	p, err := newPlan(m, c.tied(false))
	if err != nil {
		return nil, err
	}
	outer = merge(map[string]from{
		"token_embd.weight":  is("model.embed_tokens.weight"),
		"output_norm.weight": is("model.norm.weight"),
	}, outer)
	if factors != nil {
		outer["rope_freqs.weight"] = from{values: factors}
	}
	if _, own := outer["output.weight"]; own {
		p.tied = false
	} else if !p.tied {
		outer["output.weight"] = is("lm_head.weight")
	}
	if c.tied(false) {
		t.ignore("lm_head.weight")
	}
	p.fill(t, func(i int) (string, map[string]from) {
		if i < 0 {
			return "", outer
		}
		prefix := fmt.Sprintf("model.layers.%d.", c.place(i))
		return prefix, layer(prefix)
	})
	t.rest()
	return p, t.err
}

// checkLlama refuses configs of models that mil cannot run as configured.
func (c *config) checkLlama() error {
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	switch {
	case c.HiddenSize < 1 || c.HiddenSize > maxWidth || c.Layers < 1 || c.Layers > maxLayers || c.Heads < 1 || c.Heads > maxWidth || c.Intermediate < 1 || c.Intermediate > maxWidth:
		return fmt.Errorf("config.json: hidden_size %d, num_hidden_layers %d, num_attention_heads %d, intermediate_size %d are not a model", c.HiddenSize, c.Layers, c.Heads, c.Intermediate)
	case c.KVHeads < 1 || c.Heads%c.KVHeads != 0:
		return fmt.Errorf("config.json: %d heads do not share %d key-value heads", c.Heads, c.KVHeads)
	case c.HeadDim == 0 && c.HiddenSize%c.Heads != 0:
		return fmt.Errorf("config.json: hidden_size %d is no multiple of %d heads", c.HiddenSize, c.Heads)
	}
	if c.qwen() == "qwen3" {
		c.HeadDim = or(c.HeadDim, 128) // transformers' default
	}
	c.HeadDim = or(c.HeadDim, c.HiddenSize/c.Heads)
	c.MaxPositions = or(c.MaxPositions, 2048)
	if c.Eps == nil {
		eps := 1e-6 // transformers' default
		c.Eps = &eps
	}
	if c.HeadDim < 2 || c.HeadDim > 4096 || c.HeadDim%2 != 0 {
		return fmt.Errorf("config.json: heads of %d channels", c.HeadDim)
	}
	if !(*c.Eps > 0 && *c.Eps < 1) {
		return fmt.Errorf("config.json: rms_norm_eps is %g", *c.Eps)
	}
	if c.MaxPositions < 1 || c.MaxPositions > 1<<30 {
		return fmt.Errorf("config.json: max_position_embeddings is %d", c.MaxPositions)
	}
	return nil
}

// checkScale refuses scores that are scaled by another number than 1/sqrt(head_dim).
func (c *config) checkScale() error {
	if c.model() == "granitemoehybrid" {
		return nil // whose multiplier is a number in the file
	}
	want := 1 / math.Sqrt(float64(c.HeadDim))
	if m := c.Multiplier; m != nil && math.Abs(*m-want) > 1e-6*want {
		return fmt.Errorf("config.json: attention_multiplier is %g, which mil does not compute (it takes 1/sqrt(head_dim), here %g)", *m, want)
	}
	if q := c.QueryScalar; q != nil && *q != float64(c.HeadDim) {
		return fmt.Errorf("config.json: query_pre_attn_scalar is %g, which mil does not compute (it takes head_dim, here %d)", *q, c.HeadDim)
	}
	return nil
}

// window is how many positions each token attends to, 0 for all before it.
// transformers takes 4096 for a Mistral whose config does not say.
func (c *config) window() (int, error) {
	if c.qwen() != "" { // whose use_sliding_window must be false
		return 0, nil
	}
	if c.ModelType != "mistral" && c.Window == nil {
		return 0, nil
	}
	if _, said := c.members["sliding_window"]; !said {
		return 4096, nil
	}
	if c.Window == nil {
		return 0, nil
	}
	if *c.Window < 1 || *c.Window > 1<<30 {
		return 0, fmt.Errorf("config.json: sliding_window is %d", *c.Window)
	}
	return *c.Window, nil
}

// tied says whether the output's matrix is the embedding. fallback is
// transformers' value for a config that does not say.
func (c *config) tied(fallback bool) bool {
	if c.TieWords == nil {
		return fallback
	}
	return *c.TieWords
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 0) }

// llamaTypes are the models without recurrences.
var llamaTypes = []string{"llama", "mistral", "qwen2", "qwen3"}

// qwen is qwen2 or qwen3, or "" for other models.
func (c *config) qwen() string {
	switch c.model() {
	case "qwen2", "qwen3":
		return c.model()
	}
	return ""
}

// place is the checkpoint's number of layer i.
func (c *config) place(i int) int {
	if c.places == nil {
		return i
	}
	return c.places[i]
}

// llamaLayout recognises Llama, Mistral and Qwen checkpoints, and plans them.
func llamaLayout(in *input) (*plan, bool, error) {
	if !in.lookup.has("model.embed_tokens.weight") || in.any(".mamba.") {
		return nil, false, nil
	}
	if err := in.checkType(llamaTypes...); err != nil {
		return nil, true, err
	}
	unknown, err := in.config.members.check("config.json", llamaKeys)
	if err != nil {
		return nil, true, err
	}
	window, err := in.config.window()
	if err != nil {
		return nil, true, err
	}
	c, t, qwen := in.config, in.lookup, in.config.qwen()
	arch := "llama"
	if qwen != "" {
		arch = qwen
	}
	m, factors, err := c.modelConfig(arch, t, false)
	if err != nil {
		return nil, true, err
	}
	dims := c.HeadDim
	if qwen != "" {
		dims = 0 // which takes halves
	}
	if window < in.config.MaxPositions {
		m.Window = window
	}
	p, err := c.llamaLike(m, t, factors, nil, func(prefix string) map[string]from {
		names := merge(llamaNames, c.attentionNames(t, prefix, "self_attn.", dims), c.feedForwardBiases())
		if qwen == "qwen3" {
			names["attn_q_norm.weight"], names["attn_k_norm.weight"] = is("self_attn.q_norm.weight"), is("self_attn.k_norm.weight")
		}
		return names
	})
	if err != nil {
		return nil, true, err
	}
	p.warnings = append(p.warnings, unknownKeys("config.json", unknown)...)
	return p, true, nil
}
