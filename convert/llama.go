package convert

import (
	"fmt"
	"math"
)

// Limits on the numbers of a config, far past any real model's.
const (
	maxLayers = 1 << 10
	maxWidth  = 1 << 20
	maxVocab  = 1 << 20 // the tokenizer's limit
)

// llamaLike plans the common parts of Llama, Mistral and the hybrids: keys,
// embedding, attention and feed-forward layers. mixer plans the layers that are
// not attention.
func llamaLike(c *config, t *takes, arch string, plainRope bool, attention func(i int) bool, mixer func(p *plan, i int)) (*plan, error) {
	p := &plan{arch: arch, layers: c.Layers, tied: c.tied(false)}
	if err := c.checkLlama(); err != nil {
		return nil, err
	}
	if err := c.checkScale(); err != nil {
		return nil, err
	}
	r, err := c.readRope()
	if err != nil {
		return nil, err
	}
	if plainRope {
		r.Type = ""
	}
	kv := make([]int32, c.Layers)
	same := true
	for i := range kv {
		if attention(i) {
			kv[i] = int32(c.KVHeads)
		} else {
			same = false
		}
	}
	p.setArch("block_count", uint32(c.Layers))
	p.setArch("context_length", uint32(c.MaxPositions))
	p.setArch("embedding_length", uint32(c.HiddenSize))
	p.setArch("feed_forward_length", uint32(c.Intermediate))
	p.setArch("attention.head_count", uint32(c.Heads))
	if same {
		p.setArch("attention.head_count_kv", uint32(c.KVHeads))
	} else {
		p.setArch("attention.head_count_kv", kv)
	}
	p.setArch("attention.key_length", uint32(c.HeadDim))
	p.setArch("attention.value_length", uint32(c.HeadDim))
	p.setArch("attention.layer_norm_rms_epsilon", float32(*c.Eps))
	p.setArch("rope.freq_base", float32(r.Theta))
	p.setArch("rope.dimension_count", uint32(c.HeadDim))

	var factors []float32
	switch r.Type {
	case "linear":
		p.setArch("rope.scaling.type", "linear")
		p.setArch("rope.scaling.factor", float32(r.Factor))
	case "llama3":
		if factors, err = ropeFactors(r, c.HeadDim); err != nil {
			return nil, err
		}
	}

	embd, _ := t.c.Tensor("model.embed_tokens.weight") // by which the layout was recognised
	p.vocab = or(c.VocabSize, embd.Rows())
	if p.vocab < 1 || p.vocab > maxVocab {
		return nil, fmt.Errorf("config.json: vocab_size is %d", p.vocab)
	}
	p.setArch("vocab_size", uint32(p.vocab))
	p.matrix(t, "token_embd.weight", c.HiddenSize, whole(t.take("model.embed_tokens.weight", p.vocab, c.HiddenSize)))
	if factors != nil {
		p.values("rope_freqs.weight", dims(len(factors)), nil, func(first int, dst []float32) error {
			copy(dst, factors[first:])
			return nil
		})
	}
	for i := range c.Layers {
		in, blk := fmt.Sprintf("model.layers.%d.", i), fmt.Sprintf("blk.%d.", i)
		p.vector(t, blk+"attn_norm.weight", t.take(in+"input_layernorm.weight", c.HiddenSize), dims(c.HiddenSize), nil)
		if attention(i) {
			p.attention(c, t, in, blk)
		} else {
			mixer(p, i)
		}
		p.vector(t, blk+"ffn_norm.weight", t.take(in+"post_attention_layernorm.weight", c.HiddenSize), dims(c.HiddenSize), nil)
		p.matrix(t, blk+"ffn_gate.weight", c.HiddenSize, whole(t.take(in+"mlp.gate_proj.weight", c.Intermediate, c.HiddenSize)))
		p.matrix(t, blk+"ffn_up.weight", c.HiddenSize, whole(t.take(in+"mlp.up_proj.weight", c.Intermediate, c.HiddenSize)))
		p.matrix(t, blk+"ffn_down.weight", c.Intermediate, whole(t.take(in+"mlp.down_proj.weight", c.HiddenSize, c.Intermediate)))
	}
	p.vector(t, "output_norm.weight", t.take("model.norm.weight", c.HiddenSize), dims(c.HiddenSize), nil)
	if p.tied {
		t.ignore("lm_head.weight")
	} else {
		p.matrix(t, "output.weight", c.HiddenSize, whole(t.take("lm_head.weight", p.vocab, c.HiddenSize)))
	}
	t.rest()
	return p, t.err
}

// attention plans q, k, v and o, in either naming. The rows of q and k are
// permuted so that each rotated pair is adjacent, as ggml's llama has them.
func (p *plan) attention(c *config, t *takes, in, blk string) {
	q, kv, d := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim, c.HeadDim
	pairs := func(off int) func(int) int {
		return func(r int) int { return off + r/d*d + r%d/2 + r%2*(d/2) }
	}
	out := in + "self_attn.o_proj.weight"
	if merged := in + "mha.in_proj.weight"; t.has(merged) {
		s := t.take(merged, q+2*kv, c.HiddenSize)
		p.matrix(t, blk+"attn_q.weight", c.HiddenSize, part{s, q, pairs(0)})
		p.matrix(t, blk+"attn_k.weight", c.HiddenSize, part{s, kv, pairs(q)})
		p.matrix(t, blk+"attn_v.weight", c.HiddenSize, part{s, kv, func(r int) int { return q + kv + r }})
		out = in + "mha.out_proj.weight"
	} else {
		p.matrix(t, blk+"attn_q.weight", c.HiddenSize, part{t.take(in+"self_attn.q_proj.weight", q, c.HiddenSize), q, pairs(0)})
		p.matrix(t, blk+"attn_k.weight", c.HiddenSize, part{t.take(in+"self_attn.k_proj.weight", kv, c.HiddenSize), kv, pairs(0)})
		p.matrix(t, blk+"attn_v.weight", c.HiddenSize, whole(t.take(in+"self_attn.v_proj.weight", kv, c.HiddenSize)))
	}
	p.matrix(t, blk+"attn_output.weight", q, whole(t.take(out, c.HiddenSize, q)))
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

// llamaLayout recognises Llama and Mistral checkpoints, and plans them.
func llamaLayout(in *input) (*plan, bool, error) {
	if !in.takes.has("model.embed_tokens.weight") || in.any(".mamba.") {
		return nil, false, nil
	}
	if err := in.checkType("llama", "mistral"); err != nil {
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
	p, err := llamaLike(in.config, in.takes, "llama", false, func(int) bool { return true }, nil)
	if err != nil {
		return nil, true, err
	}
	if window > 0 && window < in.config.MaxPositions {
		p.setArch("attention.sliding_window", uint32(window))
		p.warnings = append(p.warnings, fmt.Sprintf("config.json: sliding_window %d: mil runs this model with a context of at most %d tokens, within which the window changes nothing", window, window))
	}
	p.warnings = append(p.warnings, unknownKeys("config.json", unknown)...)
	return p, true, nil
}
