package model

import (
	"fmt"
	"slices"
)

// qwen35 is the text part of Qwen3.5: gated delta nets, and in every few layers
// attention with a gate.
type qwen35 struct{}

func (qwen35) keys(c *Config, k *keys) {
	kv, every := c.KVHeads, c.interval()
	if k.writing() && every > 0 { // ggml has one number, and goes by the interval
		c.KVHeads = slices.Repeat([]int{slices.Max(kv)}, len(kv))
	}
	llamaKeys(c, k)
	switch {
	case !k.writing():
		if k.int("full_attention_interval", &every, 4); k.err == nil {
			c.mix(k, every)
		}
	case every > 0:
		c.KVHeads = kv
		k.int("full_attention_interval", &every)
	}
	c.SSM.Version = 2
	c.SSM.keys(k)
	c.SSM.XB = c.SSM.Inner
	k.sections("rope.dimension_sections", c.Rope.Dims)
	checkKeys(c, k)
}

// interval is the number of layers to each with attention, 0 where it varies.
func (c *Config) interval() int {
	first := 0
	for first < len(c.KVHeads) && c.KVHeads[first] == 0 {
		first++
	}
	for i, kv := range c.KVHeads {
		if (kv > 0) != ((i+1)%(first+1) == 0) {
			return 0
		}
	}
	return first + 1
}

// mix leaves attention to the last of every interval of layers, where the file does
// not tell it layer by layer.
func (c *Config) mix(k *keys, interval int) {
	for _, kv := range c.KVHeads {
		if kv == 0 {
			return
		}
	}
	if interval < 1 {
		k.fail("key %s.full_attention_interval is %d", k.arch, interval)
		return
	}
	for i := range c.KVHeads {
		if (i+1)%interval != 0 {
			c.KVHeads[i] = 0
		}
	}
}

func (qwen35) layer(c *Config, i int) (Layer, error) {
	ff := c.feedForward()
	ff.Norm = "post_attention_norm.weight"
	kv := c.KVHeads[i]
	if kv == 0 {
		d := c.deltaNet()
		d.Tiled = true
		return Layer{d, ff}, nil
	}
	if c.Heads%kv != 0 {
		return nil, fmt.Errorf("%d heads do not share %d key-value heads", c.Heads, kv)
	}
	a := c.attention(kv)
	a.Halves, a.Normed, a.Gated = true, true, true
	return Layer{a, ff}, nil
}
