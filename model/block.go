package model

import (
	"fmt"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Block is a part of a layer. It reads the model's channels through a norm of
// its own and adds to them.
type Block interface {
	// Slots lists the block's tensors, in the order of the file.
	Slots() []Slot
	// check refuses a shape whose parts do not fit each other.
	check() error
	// width is the most channels that a token has within the block.
	width() int
	// state is the bytes of memory that passes change, whatever the context.
	state() int
	// record appends the block's nodes. It reads x and returns add and the
	// block's output, summed.
	record(b *builder, x, add backend.Value) backend.Value
}

// Layer is a list of blocks, each of which reads what the one before it made.
type Layer []Block

func (l Layer) record(b *builder, x backend.Value) backend.Value {
	for _, block := range l {
		x = block.record(b, x, x)
	}
	return x
}

// Attention is the layer's attention, or nil.
func (l Layer) Attention() *Attention {
	for _, b := range l {
		switch b := b.(type) {
		case *Attention:
			return b
		case Parallel:
			if a := Layer(b).Attention(); a != nil {
				return a
			}
		}
	}
	return nil
}

// Parallel is blocks that read the same channels. They share the slots that
// have one name: their norm.
type Parallel []Block

func (p Parallel) Slots() []Slot {
	var list []Slot
	for _, b := range p {
		for _, s := range b.Slots() {
			if !slices.ContainsFunc(list, func(o Slot) bool { return o.Name == s.Name }) {
				list = append(list, s)
			}
		}
	}
	return list
}

func (p Parallel) check() error {
	for _, b := range p {
		if err := b.check(); err != nil {
			return err
		}
	}
	return nil
}

func (p Parallel) width() (most int) {
	for _, b := range p {
		most = max(most, b.width())
	}
	return most
}

func (p Parallel) state() (sum int) {
	for _, b := range p {
		sum += b.state()
	}
	return sum
}

func (p Parallel) record(b *builder, x, add backend.Value) backend.Value {
	for _, block := range p {
		add = block.record(b, x, add)
	}
	return add
}

// AttentionLayers lists the layers that have attention.
func (c *Config) AttentionLayers() []int {
	var out []int
	for i, l := range c.Layers {
		if l.Attention() != nil {
			out = append(out, i)
		}
	}
	return out
}

// stream is what every block knows of the model around it.
type stream struct {
	Channels int     // between layers
	Eps      float32 // of the block's norm
}

// stream is that of channels which hold what the model's would divided by the
// residual scale. So blocks add their outputs as they are. A norm takes the scale
// out again, if its epsilon is divided too.
func (c *Config) stream() stream { return stream{c.DModel, c.eps()} }

func (c *Config) eps() float32 {
	r := c.residual()
	return float32(float64(c.Eps) / (r * r))
}

// Build makes Layers of the other fields, as the architecture has them, and
// refuses what is no model.
func (c *Config) Build() error {
	a, err := architectureOf(c.Arch)
	if err != nil {
		return err
	}
	if !(c.Eps >= 0 && c.Eps < 1) {
		return fmt.Errorf("epsilon %g is not a normalization's", c.Eps)
	}
	if c.SSM.Version > 0 {
		if err := c.SSM.check(); err != nil {
			return err
		}
	}
	c.Layers = make([]Layer, c.Depth)
	for i := range c.Layers {
		if c.Layers[i], err = a.layer(c, i); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
		for _, b := range c.Layers[i] {
			if err := b.check(); err != nil {
				return fmt.Errorf("layer %d: %w", i, err)
			}
			if w := b.width(); w > maxWiden*c.DModel {
				return fmt.Errorf("layer %d: %d channels within layers of %d; at most %d times as many are taken", i, w, c.DModel, maxWiden)
			}
		}
	}
	return nil
}

// checkState refuses a recurrent state that is too large for a file of the
// given length.
func (c *Config) checkState(file int) error {
	var state int
	for _, l := range c.Layers {
		for _, b := range l {
			state += b.state()
		}
	}
	if state > maxState*file+64<<20 {
		return fmt.Errorf("a recurrent state of %d MB, of weights of %d MB, is no model's", state>>20, file>>20)
	}
	return nil
}

// Slots lists the model's tensors, in the order of the file.
func (c *Config) Slots() []Slot {
	list := []Slot{table("token_embd.weight", c.Vocab, c.DModel, quant.Embedding)}
	if c.Rope.Dims > 0 {
		factors := vector("rope_freqs.weight", c.Rope.Dims/2)
		factors.Optional = true
		list = append(list, factors)
	}
	first := len(list)
	for i, l := range c.Layers {
		for _, b := range l {
			for _, s := range b.Slots() {
				s.Layer = i
				list = append(list, s)
			}
		}
	}
	last := len(list)
	output := table("output.weight", c.Vocab, c.DModel, quant.Output)
	output.Optional = true
	list = append(list, vector("output_norm.weight", c.DModel), output)
	for i := range list {
		if i < first || i >= last {
			list[i].Layer = -1
		}
	}
	return list
}

// rows is the channels of v that parts of a slot make, which follow each other.
func (b *builder) rows(v backend.Value, parts []Rows, names ...string) backend.Slice {
	off, n := 0, 0
	for _, p := range parts {
		switch {
		case slices.Contains(names, p.Name):
			n += p.N
		case n == 0:
			off += p.N
		}
	}
	return b.Cut(v, off, n)
}
