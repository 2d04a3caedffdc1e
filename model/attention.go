package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Attention is grouped-query attention over every token before, or over the last
// Window ones, with rotated queries and keys. Each of its matrices may have a bias.
type Attention struct {
	stream
	Heads, KVHeads, Dim int
	Window              int // positions that a token attends to, with its own; 0: all before it
	Rope                Rope
	Halves              bool    // pairs that are turned lie in two halves, not side by side
	Normed              bool    // queries and keys are normalized, head by head
	Scale               float64 // of scores; 0: 1/sqrt(Dim)
	NormEps             float32 // of queries and keys
	Gated               bool    // each head's output is multiplied with the sigmoid of a gate, whose rows follow the head's query
}

// Rope is how positions turn queries and keys.
type Rope struct {
	Base  float64
	Dims  int     // of a head, that are turned; 0: the model turns nothing
	Scale float64 // positions are divided by it; 0: they are not
}

// attentionKeys are those of layers with attention.
func attentionKeys(c *Config, k *keys) {
	k.int("attention.head_count", &c.Heads)
	if k.err != nil || c.Heads < 1 || c.Heads > maxWidth {
		k.fail("%d heads are not a model", c.Heads)
		return
	}
	k.perLayer("attention.head_count_kv", &c.KVHeads, c.Depth, c.Heads)
	k.int("attention.key_length", &c.HeadDim, c.DModel/c.Heads)
	values := c.HeadDim
	if k.int("attention.value_length", &values, c.HeadDim); values != c.HeadDim {
		k.fail("key %s.attention.value_length is %d, and heads have %d channels", k.arch, values, c.HeadDim)
	}
}

// ropeKeys are those of the rotation. They keep ggml's own defaults: a factor
// without a type is linear, and the key of old files counts like it.
func ropeKeys(c *Config, k *keys) {
	k.float("rope.freq_base", &c.Rope.Base, 10000)
	k.int("rope.dimension_count", &c.Rope.Dims, c.HeadDim)
	if k.writing() {
		if c.Rope.Scale != 0 {
			k.write("rope.scaling.type", "linear")
			k.write("rope.scaling.factor", float32(c.Rope.Scale))
		}
		return
	}
	var old, factor float64
	kind, ok := k.text("rope.scaling.type")
	k.float("rope.scale_linear", &old, 0)
	k.float("rope.scaling.factor", &factor, old)
	switch {
	case kind == "none":
	case kind == "linear" || !ok:
		c.Rope.Scale = factor
	default:
		k.fail("key %s.rope.scaling.type is %q, which is not supported (known: none, linear)", k.arch, kind)
	}
}

// attention is a layer's attention with the given key-value heads.
func (c *Config) attention(kv int) *Attention {
	return &Attention{stream: c.stream(), Heads: c.Heads, KVHeads: kv, Dim: c.HeadDim, Window: c.Window, Rope: c.Rope, Scale: c.Scales.Attention, NormEps: c.Eps}
}

func (a *Attention) Slots() []Slot {
	q, kv := a.Heads*a.Dim, a.KVHeads*a.Dim
	list := []Slot{
		vector("attn_norm.weight", a.Channels),
		table("attn_q.weight", a.queries(), a.Channels, quant.Matrix),
		bias("attn_q.bias", a.queries()),
		table("attn_k.weight", kv, a.Channels, quant.Matrix),
		bias("attn_k.bias", kv),
		table("attn_v.weight", kv, a.Channels, quant.Sensitive),
		bias("attn_v.bias", kv),
		table("attn_output.weight", a.Channels, q, quant.Matrix),
		bias("attn_output.bias", a.Channels),
	}
	if a.Normed {
		list = append(list, vector("attn_q_norm.weight", a.Dim), vector("attn_k_norm.weight", a.Dim))
	}
	return list
}

// queries is the rows that make queries, and gates where there are any.
func (a *Attention) queries() int {
	if a.Gated {
		return 2 * a.Heads * a.Dim
	}
	return a.Heads * a.Dim
}

func (a *Attention) check() error {
	switch r := a.Rope; {
	case a.KVHeads < 1 || a.KVHeads > a.Heads || a.Heads%a.KVHeads != 0:
		return fmt.Errorf("%d heads do not share %d key-value heads", a.Heads, a.KVHeads)
	case a.Window < 0 || a.Window > maxWindow:
		return fmt.Errorf("a window of %d positions", a.Window)
	case a.Dim < 2 || a.Dim > 4096 || a.Dim%2 != 0:
		return fmt.Errorf("heads of %d channels", a.Dim)
	case r.Dims < 0 || r.Dims > a.Dim || r.Dims%2 != 0:
		return fmt.Errorf("rotation of %d channels in heads of %d", r.Dims, a.Dim)
	case !(a.Scale >= 0) || math.IsInf(a.Scale, 1):
		return fmt.Errorf("scores are scaled by %g", a.Scale)
	case r.Dims > 0 && !(r.Base > 0) || !(r.Scale >= 0):
		return fmt.Errorf("rotation base %g, scale %g", r.Base, r.Scale)
	}
	return nil
}

func (a *Attention) width() int { return a.queries() }
func (a *Attention) state() int { return 0 }

// record appends norm, q|k|v with their biases and norms, rotation and cache,
// attention, output and residual.
func (a *Attention) record(b *builder, x, add backend.Value) backend.Value {
	h := backend.Heads{Heads: a.Heads, KVHeads: a.KVHeads, Dim: a.Dim, KVType: b.kvType}
	h.Context, h.Window = b.o.cache(a.Window)
	q, kv := h.Heads*h.Dim, h.KVHeads*h.Dim
	keys, values := b.cache("cache_k", &h), b.cache("cache_v", &h)
	qkv := b.MatMul(b.All(x), b.norm("attn_norm.weight", a.Eps), backend.None, b.w("attn_q.weight"), b.w("attn_k.weight"), b.w("attn_v.weight"))
	if a.Gated {
		qkv = b.Reorder(b.All(qkv), a.Dim, a.gatesLast())
	}
	queries, k, v := b.Cut(qkv, 0, q), b.Cut(qkv, q, kv), b.Cut(qkv, q+kv, kv)
	a.finish(b, queries, k, v)
	b.RopeStore(&backend.RopeStore{Heads: h, Halves: a.Halves, Q: queries, K: k, V: v,
		Freqs: b.m.frequencies(a.Rope, b.o.PlainRope), KCache: keys, VCache: values})
	y := b.All(b.Attend(&backend.Attend{Heads: h, Q: queries, KCache: keys, VCache: values, Scale: float32(a.Scale)}))
	if a.Gated {
		gates := b.Cut(qkv, q+2*kv, q)
		b.finish(backend.Part{X: gates, F: backend.Sigmoid, Up: y})
		y = gates
	}
	return b.addTo(add, y, "attn_output")
}

// gatesLast is the order of heads in which queries, keys and values follow each other,
// and then come the gates.
func (a *Attention) gatesLast() (order []int32) {
	var gates []int32
	for h := range int32(a.Heads) {
		order, gates = append(order, 2*h), append(gates, 2*h+1)
	}
	for h := range int32(2 * a.KVHeads) {
		order = append(order, int32(2*a.Heads)+h)
	}
	return append(order, gates...)
}

// finish adds biases to queries, keys and values, and normalizes the first two.
func (a *Attention) finish(b *builder, q, k, v backend.Slice) {
	parts := []backend.Part{{X: q, Bias: b.w("attn_q.bias")}, {X: k, Bias: b.w("attn_k.bias")}, {X: v, Bias: b.w("attn_v.bias")}}
	if a.Normed {
		parts[0].Norm = &backend.HeadNorm{Weight: b.w("attn_q_norm.weight"), Dim: a.Dim, Eps: a.NormEps}
		parts[1].Norm = &backend.HeadNorm{Weight: b.w("attn_k_norm.weight"), Dim: a.Dim, Eps: a.NormEps}
	}
	b.finish(parts...)
}

// finish records the parts that do something.
func (b *builder) finish(parts ...backend.Part) {
	parts = slices.DeleteFunc(parts, func(p backend.Part) bool {
		return p.Bias == nil && p.Norm == nil && p.F == backend.Identity && p.Up.N == 0 && p.Factor() == 1
	})
	if len(parts) > 0 {
		b.Finish(parts...)
	}
}

// addTo is the product of y and a matrix of the layer, and its bias where it has
// one, added to add.
func (b *builder) addTo(add backend.Value, y backend.Slice, name string) backend.Value {
	out := b.MatMul(y, nil, add, b.w(name+".weight"))
	b.finish(backend.Part{X: b.All(out), Bias: b.w(name + ".bias")})
	return out
}

// frequencies are the rotation's radians for each position: base^(-2i/dims).
// Where the file has factors (Llama-3's scaling), they divide these, unless
// plain.
func (m *Model) frequencies(r Rope, plain bool) []float64 {
	freqs := make([]float64, r.Dims/2)
	for i := range freqs {
		freqs[i] = math.Pow(r.Base, -2*float64(i)/float64(r.Dims))
		if r.Scale != 0 && !plain {
			freqs[i] /= r.Scale
		}
	}
	if m.rope != nil && !plain {
		for i, f := range m.rope {
			freqs[i] /= float64(f)
		}
	}
	return freqs
}

// readRope reads the rotation's factors where the file has them.
func (m *Model) readRope() error {
	t, ok := m.file.Tensor("rope_freqs.weight")
	if !ok {
		return nil
	}
	m.rope = make([]float32, t.Values())
	spec, _ := t.Type.Spec()
	spec.Unpack(m.rope, m.file.Data(t))
	for i, f := range m.rope {
		if !(f > 0) || math.IsInf(float64(f), 0) {
			return fmt.Errorf("tensor rope_freqs.weight holds %g at %d", f, i)
		}
	}
	return nil
}
