package model

import (
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Mamba2 is a Mamba-2 mixer. Heads of x, B and C may serve several heads of
// the recurrence in a row.
type Mamba2 struct {
	stream
	Conv, Inner, State, Heads int
	Groups                    int  // of the gated norm
	X, B, C                   int  // channels of each
	Repeat                    bool // x and B are repeated before the convolution
	NormEps                   float32
	MinStep                   float64 // of dt, or 0
	Bare                      bool    // files may lack the gated norm: then outputs are gated alone
}

// mamba2 is the mixer of Mamba-2's authors.
func (c *Config) mamba2() *Mamba2 {
	s := c.SSM
	return &Mamba2{c.stream(), s.Conv, s.Inner, s.State, s.Rank, s.Groups, s.Inner, s.Groups * s.State, s.Groups * s.State, false, c.Eps, s.MinStep, false}
}

// groupedMamba2 is the mixer that took the place of grouped-query attention: x,
// B and C stand where v, k and q did.
func (c *Config) groupedMamba2() *Mamba2 {
	s := c.SSM
	return &Mamba2{c.stream(), s.Conv, s.Inner, s.State, s.Rank, s.Groups, s.XB, s.XB, s.Inner, s.RepeatBeforeConv, normEps, 0, false}
}

func (m *Mamba2) in() []Rows {
	return []Rows{{"z", m.Inner}, {"x", m.X}, {"B", m.B}, {"C", m.C}, {"dt", m.Heads}}
}

// convolved lists what the convolution makes.
func (m *Mamba2) convolved() []Rows {
	if m.Repeat {
		return []Rows{{"x", m.Inner}, {"B", m.Inner}, {"C", m.C}}
	}
	return []Rows{{"x", m.X}, {"B", m.B}, {"C", m.C}}
}

func (m *Mamba2) Slots() []Slot {
	conv := matrix("ssm_conv1d.weight", m.Conv, quant.Elementwise, m.convolved()...)
	norm := grouped("ssm_norm.weight", m.Inner, m.Groups)
	norm.Optional = m.Bare
	return []Slot{
		vector("attn_norm.weight", m.Channels),
		matrix("ssm_in.weight", m.Channels, quant.Projection, m.in()...),
		conv,
		vector("ssm_conv1d.bias", conv.Rows),
		vector("ssm_dt.bias", m.Heads),
		grouped("ssm_a", m.Heads, m.Heads),
		grouped("ssm_d", m.Heads, m.Heads),
		norm,
		table("ssm_out.weight", m.Channels, m.Inner, quant.Sensitive),
	}
}

func (m *Mamba2) check() error {
	if m.Inner%m.Heads != 0 {
		return fmt.Errorf("%d channels in %d heads", m.Inner, m.Heads)
	}
	dim := m.Inner / m.Heads
	shares := func(channels, dim int) bool { return channels%dim == 0 && channels > 0 && m.Heads%(channels/dim) == 0 }
	switch {
	case !(m.MinStep >= 0 && m.MinStep < 10):
		return fmt.Errorf("dt of at least %g", m.MinStep)
	case m.Heads%m.Groups != 0:
		return fmt.Errorf("%d heads in %d groups", m.Heads, m.Groups)
	case !shares(m.X, dim) || !shares(m.B, m.State) || !shares(m.C, m.State):
		return fmt.Errorf("%d channels, x of %d, B of %d, C of %d, heads of %d and %d do not fit each other", m.Inner, m.X, m.B, m.C, dim, m.State)
	case m.Repeat && dim != m.State:
		return fmt.Errorf("%d heads of %d channels with %d states", m.Heads, dim, m.State)
	}
	return nil
}

func (m *Mamba2) width() int { return m.Inner }
func (m *Mamba2) state() int { return 4 * m.Inner * m.State }

func (m *Mamba2) record(b *builder, x, add backend.Value) backend.Value {
	in := b.MatMul(b.All(x), b.norm("attn_norm.weight", m.Eps), backend.None, b.w("ssm_in.weight"))
	if m.MinStep > 0 { // softplus of dt and its bias is to have it
		least := math.Log(math.Expm1(m.MinStep))
		b.finish(backend.Part{X: b.rows(in, m.in(), "dt"), Bias: b.w("ssm_dt.bias"), F: backend.Floor, Least: float32(least)})
	}
	var repeat []int32
	if m.Repeat {
		repeat = appendRepeated(nil, 0, m.X, m.Inner, m.State)
		repeat = appendRepeated(repeat, m.X, m.B, m.Inner, m.State)
		for c := range m.C {
			repeat = append(repeat, int32(m.X+m.B+c))
		}
	}
	conv := b.conv(b.rows(in, m.in(), "x", "B", "C"), m.Conv, repeat)
	made := m.convolved()
	y := b.scan2(m, b.rows(conv, made, "x"), b.rows(conv, made, "B"), b.rows(conv, made, "C"), b.rows(in, m.in(), "dt"), b.rows(in, m.in(), "z"))
	return b.MatMul(b.All(y), nil, add, b.w("ssm_out.weight"))
}

// normEps is the gated norm's epsilon of the distilled hybrids, whatever the
// model's own is.
const normEps = 1e-5

// scan2 records a Mamba-2 recurrence with the current layer's parameters.
func (b *builder) scan2(m *Mamba2, x, bs, cs, dt, z backend.Slice) backend.Value {
	return b.Scan2(&backend.Scan2{X: x, B: bs, C: cs, Dt: dt, Z: z, A: b.w("ssm_a"), D: b.w("ssm_d"), DtBias: b.w("ssm_dt.bias"),
		NormWeight: b.w("ssm_norm.weight"), NormGroups: m.Groups, NormEps: m.NormEps,
		Heads: m.Heads, P: m.Inner / m.Heads, N: m.State,
		H:   b.state("ssm", backend.StateRecurrent, 4*m.Inner*m.State),
		Log: b.state("log", backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(m.Heads, x.N, bs.N))})
}
