package model

import "fmt"

// falcon is Falcon-H1: Mamba-2 and attention side by side in every layer, and
// SwiGLU. Its multipliers lie in the weights, as ggml has them.
type falcon struct{}

func (falcon) keys(c *Config, k *keys) {
	llamaKeys(c, k)
	c.mamba2Keys(k)
	checkKeys(c, k)
}

func (falcon) layer(c *Config, i int) (Layer, error) {
	if c.KVHeads[i] == 0 {
		return nil, fmt.Errorf("0 key-value heads")
	}
	m, a, f := c.mamba2(), c.attention(c.KVHeads[i]), c.feedForward()
	m.Bare, a.Halves, f.Norm = true, true, "ffn_norm" // which ggml names so in these files alone
	return Layer{Parallel{m, a}, f}, nil
}
