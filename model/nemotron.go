package model

import "fmt"

// nemotron is NVIDIA's Nemotron-H: a layer is Mamba-2, attention that turns
// nothing, or a feed-forward with squared ReLU.
type nemotron struct{}

func (nemotron) keys(c *Config, k *keys) {
	shapeKeys(c, k)
	if k.err == nil {
		k.perLayer("feed_forward_length", &c.Inner, c.Depth, 0)
	}
	attentionKeys(c, k)
	eps := float64(c.Eps)
	k.float("attention.layer_norm_epsilon", &eps, 0) // which ggml demands, and takes where the other is missing
	if eps > 0 {
		normKeys(c, k, eps)
	} else {
		normKeys(c, k)
	}
	vocabKeys(c, k)
	k.full("rope.dimension_count") // files have them, and nothing is turned
	k.full("rope.freq_base")
	c.mamba2Keys(k)
	if !k.writing() || c.SSM.MinStep > 0 {
		k.float("ssm.time_step_min", &c.SSM.MinStep, 0) // mil's own
	}
	checkKeys(c, k)
}

func (nemotron) layer(c *Config, i int) (Layer, error) {
	switch inner, kv := c.Inner[i], c.KVHeads[i]; {
	case inner > 0 && kv > 0:
		return nil, fmt.Errorf("attention and a feed-forward in one layer")
	case inner > 0:
		return Layer{&SquaredReLU{c.stream(), inner}}, nil
	case kv > 0:
		return Layer{c.attention(kv)}, nil
	}
	return Layer{c.mamba2()}, nil
}
