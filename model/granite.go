package model

import (
	"errors"
	"strings"
)

// ErrPairs is wrapped by errors about files whose rows lie where the rotation does
// not look for them.
var ErrPairs = errors.New("the rows of queries and keys pair the wrong channels")

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
	checkPairs(c, k)
	k.note("expert_shared_feed_forward_length", c.DFF)
	c.Scales.keys(k)
	c.mamba2Keys(k)
	checkKeys(c, k)
}

// checkPairs refuses Bambas of ggml's converter. It reorders the rows of q and k
// over whole heads, and programs turn the first of them: other pairs than the
// checkpoint's. Files of ours keep keys of ours, whoever writes them anew.
func checkPairs(c *Config, k *keys) {
	if k.writing() || c.Rope.Dims == 0 || c.Rope.Dims >= c.HeadDim {
		return
	}
	for _, key := range k.m.Keys() {
		if strings.HasPrefix(key, "mil.") {
			return
		}
	}
	k.fail("%w: a head rotates %d of its %d, and ggml's converter orders them as if it rotated all; convert the checkpoint instead", ErrPairs, c.Rope.Dims, c.HeadDim)
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
