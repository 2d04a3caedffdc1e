package model

import "fmt"

// llama is Llama and Mistral: attention and SwiGLU in every layer.
type llama struct{}

func (llama) keys(c *Config, k *keys) {
	llamaKeys(c, k)
	windowKeys(c, k)
	checkKeys(c, k)
}

func (llama) layer(c *Config, i int) (Layer, error) {
	if c.KVHeads[i] == 0 {
		return nil, fmt.Errorf("0 key-value heads, which only hybrids have")
	}
	return Layer{c.attention(c.KVHeads[i]), c.feedForward()}, nil
}

// llamaKeys are those of every model with Llama's attention and feed-forward.
func llamaKeys(c *Config, k *keys) {
	shapeKeys(c, k)
	feedForwardKeys(c, k)
	attentionKeys(c, k)
	normKeys(c, k)
	ropeKeys(c, k)
	vocabKeys(c, k)
}
