package model

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// FeedForward is SwiGLU. Each of its matrices may have a bias.
type FeedForward struct {
	stream
	Inner int
	Norm  string // the norm's name, where it is not ffn_norm.weight
}

// feedForwardKeys are those of layers with SwiGLU.
func feedForwardKeys(c *Config, k *keys) { k.int("feed_forward_length", &c.DFF) }

func (c *Config) feedForward() *FeedForward { return &FeedForward{stream: c.stream(), Inner: c.DFF} }

func (f *FeedForward) norm() Slot {
	s := vector("ffn_norm.weight", f.Channels)
	if f.Norm != "" {
		s.Name, s.Former = f.Norm, s.Name
	}
	return s
}

func (f *FeedForward) Slots() []Slot {
	return []Slot{
		f.norm(),
		table("ffn_gate.weight", f.Inner, f.Channels, quant.Matrix),
		bias("ffn_gate.bias", f.Inner),
		table("ffn_up.weight", f.Inner, f.Channels, quant.Matrix),
		bias("ffn_up.bias", f.Inner),
		table("ffn_down.weight", f.Channels, f.Inner, quant.Sensitive),
		bias("ffn_down.bias", f.Channels),
	}
}

func (f *FeedForward) check() error { return checkInner(f.Inner) }

func checkInner(n int) error {
	if n < 1 || n > maxWidth {
		return fmt.Errorf("feed-forward of %d channels", n)
	}
	return nil
}

func (f *FeedForward) width() int { return f.Inner }
func (f *FeedForward) state() int { return 0 }

func (f *FeedForward) record(b *builder, x, add backend.Value) backend.Value {
	slot := f.norm()
	norm, gate, up := b.norm(slot.Name, f.Eps), b.w("ffn_gate.weight"), b.w("ffn_up.weight")
	gateBias, upBias := b.w("ffn_gate.bias"), b.w("ffn_up.bias")
	if gateBias == nil && upBias == nil {
		return b.addTo(add, b.All(b.GateUp(b.All(x), norm, gate, up)), "ffn_down")
	}
	both := b.MatMul(b.All(x), norm, backend.None, gate, up)
	g, u := b.Cut(both, 0, f.Inner), b.Cut(both, f.Inner, f.Inner)
	b.finish(backend.Part{X: g, Bias: gateBias}, backend.Part{X: u, Bias: upBias})
	b.finish(backend.Part{X: g, F: backend.SiLU, Up: u})
	return b.addTo(add, g, "ffn_down")
}

// SquaredReLU is a feed-forward without gates, in a layer of its own.
type SquaredReLU struct {
	stream
	Inner int
}

func (f *SquaredReLU) Slots() []Slot {
	return []Slot{
		vector("attn_norm.weight", f.Channels), // ggml's name of the norm of any layer's first block
		table("ffn_up.weight", f.Inner, f.Channels, quant.Matrix),
		bias("ffn_up.bias", f.Inner),
		table("ffn_down.weight", f.Channels, f.Inner, quant.Sensitive),
		bias("ffn_down.bias", f.Channels),
	}
}

func (f *SquaredReLU) check() error { return checkInner(f.Inner) }
func (f *SquaredReLU) width() int   { return f.Inner }
func (f *SquaredReLU) state() int   { return 0 }

func (f *SquaredReLU) record(b *builder, x, add backend.Value) backend.Value {
	h := b.MatMul(b.All(x), b.norm("attn_norm.weight", f.Eps), backend.None, b.w("ffn_up.weight"))
	b.finish(backend.Part{X: b.All(h), Bias: b.w("ffn_up.bias"), F: backend.ReLU2})
	return b.addTo(add, b.All(h), "ffn_down")
}
