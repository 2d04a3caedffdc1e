package model

import (
	"fmt"
	"math"
	"strings"

	"github.com/mil-run/mil/backend"
)

// llama is Llama and Mistral: attention and SwiGLU in every layer.
type llama struct{}

func (llama) config(c *Config, k *keys) { attentionConfig(c, k) }

func (llama) tensors(c *Config, i int) map[string][2]int {
	t := attentionTensors(c, i)
	feedForwardTensors(c, t)
	return t
}

func attentionTensors(c *Config, i int) map[string][2]int {
	q, kv := c.Heads*c.HeadDim, c.KVHeads[i]*c.HeadDim
	return map[string][2]int{
		"attn_norm.weight":   {1, c.DModel},
		"attn_q.weight":      {q, c.DModel},
		"attn_k.weight":      {kv, c.DModel},
		"attn_v.weight":      {kv, c.DModel},
		"attn_output.weight": {c.DModel, q},
	}
}

func feedForwardTensors(c *Config, t map[string][2]int) {
	t["ffn_norm.weight"] = [2]int{1, c.DModel}
	t["ffn_gate.weight"] = [2]int{c.DFF, c.DModel}
	t["ffn_up.weight"] = [2]int{c.DFF, c.DModel}
	t["ffn_down.weight"] = [2]int{c.DModel, c.DFF}
}

func (llama) layer(b *builder, i int, x backend.Value) backend.Value {
	return feedForward(b, attention(b, i, x))
}

// attention records norm, q|k|v, rotation and cache, attention, output and
// residual.
func attention(b *builder, i int, x backend.Value) backend.Value {
	c := b.c
	h := backend.Heads{Heads: c.Heads, KVHeads: c.KVHeads[i], Dim: c.HeadDim, Context: b.o.Context, KVType: b.kvType}
	q, kv := h.Heads*h.Dim, h.KVHeads*h.Dim
	keys, values := b.state("cache_k", backend.StateKV, h.CacheBytes()), b.state("cache_v", backend.StateKV, h.CacheBytes())
	qkv := b.MatMul(b.All(x), b.norm("attn_norm.weight"), backend.None, b.w("attn_q.weight"), b.w("attn_k.weight"), b.w("attn_v.weight"))
	b.RopeStore(&backend.RopeStore{Heads: h, Q: b.Cut(qkv, 0, q), K: b.Cut(qkv, q, kv), V: b.Cut(qkv, q+kv, kv),
		Freqs: b.m.frequencies(b.o.PlainRope), KCache: keys, VCache: values})
	y := b.Attend(&backend.Attend{Heads: h, Q: b.Cut(qkv, 0, q), KCache: keys, VCache: values})
	return b.MatMul(b.All(y), nil, x, b.w("attn_output.weight"))
}

// feedForward records SwiGLU and its residual.
func feedForward(b *builder, x backend.Value) backend.Value {
	h := b.GateUp(b.All(x), b.norm("ffn_norm.weight"), b.w("ffn_gate.weight"), b.w("ffn_up.weight"))
	return b.MatMul(b.All(h), nil, x, b.w("ffn_down.weight"))
}

// frequencies are the rotation's radians for each position: base^(-2i/dims).
// Where the file has factors (Llama-3's scaling), they divide these, unless
// plain.
func (m *Model) frequencies(plain bool) []float64 {
	c := &m.Config
	freqs := make([]float64, c.RopeDims/2)
	for i := range freqs {
		freqs[i] = math.Pow(c.RopeBase, -2*float64(i)/float64(c.RopeDims))
		if !plain {
			freqs[i] /= c.RopeScale
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

// isVectorLike names the tensors that stay float32 in every file.
func isVectorLike(name string) bool {
	for _, s := range []string{"norm.weight", ".bias", "ssm_a", "ssm_d", "ssm_conv1d.weight", "ssm_dt.weight", "rope_freqs.weight"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}
