package model

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// FeedForward is SwiGLU.
type FeedForward struct {
	stream
	Inner int
}

// feedForwardKeys are those of layers with SwiGLU.
func feedForwardKeys(c *Config, k *keys) { k.int("feed_forward_length", &c.DFF) }

func (c *Config) feedForward() *FeedForward { return &FeedForward{c.stream(), c.DFF} }

func (f *FeedForward) Slots() []Slot {
	return []Slot{
		vector("ffn_norm.weight", f.Channels),
		table("ffn_gate.weight", f.Inner, f.Channels, quant.Matrix),
		table("ffn_up.weight", f.Inner, f.Channels, quant.Matrix),
		table("ffn_down.weight", f.Channels, f.Inner, quant.Sensitive),
	}
}

func (f *FeedForward) check() error {
	if f.Inner < 1 || f.Inner > maxWidth {
		return fmt.Errorf("feed-forward of %d channels", f.Inner)
	}
	return nil
}

func (f *FeedForward) width() int { return f.Inner }
func (f *FeedForward) state() int { return 0 }

func (f *FeedForward) record(b *builder, x, add backend.Value) backend.Value {
	h := b.GateUp(b.All(x), b.norm("ffn_norm.weight", f.Eps), b.w("ffn_gate.weight"), b.w("ffn_up.weight"))
	return b.MatMul(b.All(h), nil, add, b.w("ffn_down.weight"))
}
