package model

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Mamba is a mixer of Mamba's authors: dt, B and C are made of the convolved x.
type Mamba struct {
	stream
	Conv, Inner, State, Rank int
	Normed                   bool // dt, B and C are normalized
	NormEps                  float32
}

func (c *Config) mamba() *Mamba {
	s := c.SSM
	return &Mamba{c.stream(), s.Conv, s.Inner, s.State, s.Rank, s.Normed, float32(s.NormEps)}
}

func (m *Mamba) in() []Rows       { return []Rows{{"x", m.Inner}, {"z", m.Inner}} }
func (m *Mamba) selected() []Rows { return []Rows{{"dt", m.Rank}, {"B", m.State}, {"C", m.State}} }

func (m *Mamba) Slots() []Slot {
	return []Slot{
		vector("attn_norm.weight", m.Channels),
		matrix("ssm_in.weight", m.Channels, quant.Projection, m.in()...),
		table("ssm_conv1d.weight", m.Inner, m.Conv, quant.Elementwise),
		vector("ssm_conv1d.bias", m.Inner),
		matrix("ssm_x.weight", m.Inner, quant.Selection, m.selected()...),
		table("ssm_dt.weight", m.Inner, m.Rank, quant.Step),
		vector("ssm_dt.bias", m.Inner),
		table("ssm_a", m.Inner, m.State, quant.Elementwise),
		vector("ssm_d", m.Inner),
		table("ssm_out.weight", m.Channels, m.Inner, quant.Sensitive),
	}
}

func (m *Mamba) check() error { return nil }
func (m *Mamba) width() int   { return m.Inner }
func (m *Mamba) state() int   { return 4 * m.Inner * m.State }

func (m *Mamba) record(b *builder, x, add backend.Value) backend.Value {
	in := b.MatMul(b.All(x), b.norm("attn_norm.weight", m.Eps), backend.None, b.w("ssm_in.weight"))
	conv := b.conv(b.rows(in, m.in(), "x"), m.Conv, nil)
	p := b.MatMul(b.All(conv), nil, backend.None, b.w("ssm_x.weight"))
	if m.Normed {
		var parts []backend.Part
		for _, r := range m.selected() {
			parts = append(parts, backend.Part{X: b.rows(p, m.selected(), r.Name), Norm: &backend.HeadNorm{Dim: r.N, Eps: m.NormEps}})
		}
		b.finish(parts...)
	}
	dt := b.MatMul(b.rows(p, m.selected(), "dt"), nil, backend.None, b.w("ssm_dt.weight"))
	y := b.scan1(b.All(conv), b.All(dt), b.rows(p, m.selected(), "B"), b.rows(p, m.selected(), "C"), b.rows(in, m.in(), "z"), m.State)
	return b.MatMul(b.All(y), nil, add, b.w("ssm_out.weight"))
}

// GroupedMamba is a Mamba mixer in the place of grouped-query attention: x, B
// and C stand where v, k and q did, and heads of x and B serve several of C.
type GroupedMamba struct {
	stream
	Conv, Inner, State, Rank int
	XB                       int  // channels of x, and of B
	Repeat                   bool // x is repeated before the convolution
}

func (c *Config) groupedMamba() *GroupedMamba {
	s := c.SSM
	return &GroupedMamba{c.stream(), s.Conv, s.Inner, s.State, s.Rank, s.XB, s.RepeatBeforeConv}
}

func (m *GroupedMamba) in() []Rows {
	return []Rows{{"z", m.Inner}, {"x", m.XB}, {"B", m.XB}, {"C", m.Inner}, {"dt", m.Rank}}
}

// convolved is how many channels the convolution has.
func (m *GroupedMamba) convolved() int {
	if m.Repeat {
		return m.Inner
	}
	return m.XB
}

func (m *GroupedMamba) Slots() []Slot {
	return []Slot{
		vector("attn_norm.weight", m.Channels),
		matrix("ssm_in.weight", m.Channels, quant.Projection, m.in()...),
		table("ssm_conv1d.weight", m.convolved(), m.Conv, quant.Elementwise),
		vector("ssm_conv1d.bias", m.convolved()),
		table("ssm_dt.weight", m.Inner, m.Rank, quant.Step),
		vector("ssm_dt.bias", m.Inner),
		table("ssm_a", m.Inner, m.State, quant.Elementwise),
		vector("ssm_d", m.Inner),
		table("ssm_out.weight", m.Channels, m.Inner, quant.Sensitive),
	}
}

func (m *GroupedMamba) check() error {
	if m.Inner%m.State != 0 || m.XB%m.State != 0 || m.Inner%m.XB != 0 {
		return fmt.Errorf("%d channels, x of %d, heads of %d do not fit each other", m.Inner, m.XB, m.State)
	}
	return nil
}

func (m *GroupedMamba) width() int { return m.Inner }
func (m *GroupedMamba) state() int { return 4 * m.Inner * m.State }

// record appends the mixer. The checkpoint's dt bias counts twice in these
// models, so the file holds it doubled.
func (m *GroupedMamba) record(b *builder, x, add backend.Value) backend.Value {
	in := b.MatMul(b.All(x), b.norm("attn_norm.weight", m.Eps), backend.None, b.w("ssm_in.weight"))
	dt := b.MatMul(b.rows(in, m.in(), "dt"), nil, backend.None, b.w("ssm_dt.weight"))
	var repeat []int32
	if m.Repeat {
		repeat = appendRepeated(nil, 0, m.XB, m.Inner, m.State)
	}
	conv := b.conv(b.rows(in, m.in(), "x"), m.Conv, repeat)
	y := b.scan1(b.All(conv), b.All(dt), b.rows(in, m.in(), "B"), b.rows(in, m.in(), "C"), b.rows(in, m.in(), "z"), m.State)
	return b.MatMul(b.All(y), nil, add, b.w("ssm_out.weight"))
}

// scan1 records a Mamba-1 recurrence with the current layer's parameters.
func (b *builder) scan1(x, dt, bs, cs, z backend.Slice, states int) backend.Value {
	return b.Scan1(&backend.Scan1{X: x, Dt: dt, B: bs, C: cs, Z: z, A: b.w("ssm_a"), D: b.w("ssm_d"), DtBias: b.w("ssm_dt.bias"), N: states,
		H:   b.state("ssm", backend.StateRecurrent, 4*z.N*states),
		Log: b.state("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan1LogWidth(z.N, x.N, bs.N))})
}
