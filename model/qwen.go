package model

import "fmt"

// qwen is Qwen2 and Qwen3: Llama with biases of q, k and v, or with norms of q and
// k, whose turned pairs lie in halves.
type qwen struct{ normed bool }

func (qwen) keys(c *Config, k *keys) {
	llamaKeys(c, k)
	windowKeys(c, k)
	checkKeys(c, k)
}

func (q qwen) layer(c *Config, i int) (Layer, error) {
	if c.KVHeads[i] == 0 {
		return nil, fmt.Errorf("0 key-value heads, which only hybrids have")
	}
	a := c.attention(c.KVHeads[i])
	a.Halves, a.Normed = true, q.normed
	return Layer{a, c.feedForward()}, nil
}
