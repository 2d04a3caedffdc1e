package model

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// DeltaNet is a gated delta net: queries, keys and values pass a convolution and the
// gated delta rule ([backend.DeltaScan]). A head of queries and keys serves several
// of values.
type DeltaNet struct {
	stream
	Conv           int // taps
	KeyHeads, Keys int // heads of queries and keys, and channels of each
	Heads, Values  int // heads of values, and channels of each
	Tiled          bool
	NormEps        float32
}

// deltaNet is the mixer with the shape of the file's recurrence.
func (c *Config) deltaNet() *DeltaNet {
	s := c.SSM
	return &DeltaNet{stream: c.stream(), Conv: s.Conv, KeyHeads: s.Groups, Keys: s.State, Heads: s.Rank, Values: s.Inner / max(1, s.Rank), NormEps: c.Eps}
}

// qkv lists what the convolution makes.
func (d *DeltaNet) qkv() []Rows {
	return []Rows{{"q", d.KeyHeads * d.Keys}, {"k", d.KeyHeads * d.Keys}, {"v", d.width()}}
}

func (d *DeltaNet) Slots() []Slot {
	qkv := matrix("attn_qkv.weight", d.Channels, quant.Projection, d.qkv()...)
	return []Slot{
		vector("attn_norm.weight", d.Channels),
		qkv,
		table("attn_gate.weight", d.width(), d.Channels, quant.Projection),
		table("ssm_beta.weight", d.Heads, d.Channels, quant.Selection),
		table("ssm_alpha.weight", d.Heads, d.Channels, quant.Selection),
		matrix("ssm_conv1d.weight", d.Conv, quant.Elementwise, d.qkv()...),
		vector("ssm_dt.bias", d.Heads),
		vector("ssm_a", d.Heads),
		vector("ssm_norm.weight", d.Values),
		table("ssm_out.weight", d.Channels, d.width(), quant.Sensitive),
	}
}

func (d *DeltaNet) check() error {
	if d.KeyHeads < 1 || d.Heads%d.KeyHeads != 0 || d.Keys < 1 || d.Keys > 1024 || d.Values < 1 || d.Values > 1024 {
		return fmt.Errorf("a delta net of %d heads of %d channels, whose keys are %d heads of %d", d.Heads, d.Values, d.KeyHeads, d.Keys)
	}
	return nil
}

func (d *DeltaNet) width() int { return d.Heads * d.Values }
func (d *DeltaNet) state() int { return 4 * d.width() * d.Keys }

func (d *DeltaNet) record(b *builder, x, add backend.Value) backend.Value {
	in := b.MatMul(b.All(x), b.norm("attn_norm.weight", d.Eps), backend.None, b.w("attn_qkv.weight"), b.w("attn_gate.weight"), b.w("ssm_beta.weight"), b.w("ssm_alpha.weight"))
	parts := append(d.qkv(), Rows{"z", d.width()}, Rows{"beta", d.Heads}, Rows{"dt", d.Heads})
	conv := b.conv(b.rows(in, parts, "q", "k", "v"), d.Conv, nil)
	q, k, v := b.rows(conv, parts, "q"), b.rows(conv, parts, "k"), b.rows(conv, parts, "v")
	y := b.DeltaScan(&backend.DeltaScan{Q: q, K: k, V: v, Dt: b.rows(in, parts, "dt"), Beta: b.rows(in, parts, "beta"), Z: b.rows(in, parts, "z"),
		A: b.w("ssm_a"), DtBias: b.w("ssm_dt.bias"), NormWeight: b.w("ssm_norm.weight"), NormEps: d.NormEps, Heads: d.Heads, P: d.Values, N: d.Keys, Tiled: d.Tiled,
		H:   b.state("ssm", backend.StateRecurrent, d.state()),
		Log: b.state("log", backend.StateLog, 4*backend.MaxVerify*backend.DeltaLogWidth(d.Heads, v.N, k.N))})
	return b.MatMul(b.All(y), nil, add, b.w("ssm_out.weight"))
}
