package model

// granite is IBM's Granite 4.0-H, dense, and Bamba: Mamba-2 or attention, and
// SwiGLU. Granite turns nothing, and multiplies with four numbers.
type granite struct{}

func (granite) keys(c *Config, k *keys) {
	turned, dims := c.Rope.Dims > 0, c.Rope.Dims
	if k.writing() && !turned {
		c.Rope.Dims = c.HeadDim // ggml goes by the other key
	}
	llamaKeys(c, k)
	if c.Rope.Dims = dims; !k.writing() {
		k.int("rope.dimension_count", &c.Rope.Dims, c.HeadDim)
	}
	if k.bool("rope.scaling.finetuned", &turned); !turned {
		c.Rope.Dims = 0
	}
	k.note("expert_shared_feed_forward_length", c.DFF)
	c.Scales.keys(k)
	c.mamba2Keys(k)
	checkKeys(c, k)
}

func (granite) layer(c *Config, i int) (Layer, error) {
	if kv := c.KVHeads[i]; kv > 0 {
		return Layer{c.attention(kv), c.feedForward()}, nil
	}
	return Layer{c.mamba2(), c.feedForward()}, nil
}

// keys are ggml's of Granite. Files leave out numbers that change nothing.
func (s *Scales) keys(k *keys) {
	for _, v := range []struct {
		key string
		to  *float64
	}{{"embedding_scale", &s.Embedding}, {"residual_scale", &s.Residual}, {"attention.scale", &s.Attention}, {"logit_scale", &s.Logits}} {
		if !k.writing() || *v.to != 0 {
			k.float(v.key, v.to, 0)
		}
	}
}

// mamba2Keys are those of models of which only some blocks are Mamba-2.
func (c *Config) mamba2Keys(k *keys) {
	c.SSM.Version = 2
	c.SSM.keys(k)
	c.SSM.XB = c.SSM.Inner
}
