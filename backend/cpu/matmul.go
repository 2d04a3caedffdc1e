package cpu

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/quant"
)

// matrix is a weight tensor ready to be multiplied.
type matrix struct {
	t      quant.Type
	rows   int
	stride int
	data   []byte
}

func newMatrix(t *backend.Tensor) (*matrix, error) {
	b, err := host.Tensor(t)
	if err != nil {
		return nil, err
	}
	s, _ := t.Type.Spec()
	return &matrix{t: t.Type, rows: t.Rows, stride: s.RowBytes(t.Cols), data: b}, nil
}

// inputs are packed activations, shared by all nodes of a program: each packs
// its own before it multiplies.
type inputs struct {
	few  kernel.Input
	many kernel.Batch
}

// product multiplies matrices with the rows of one input.
type product struct {
	e    *exec
	in   backend.Slice
	norm *backend.Norm
	w    []float32 // of norm
	ts   []*backend.Tensor
	ms   []*matrix
	// to says where results go: out[t*ld+row], plus add of the same layout where
	// that is not nil.
	to func(m int) (out []float32, ld int, add []float32)
	// made, where it is not nil, is called in a pass of few tokens for rows [lo, hi)
	// of a matrix that are made, and where paired is set, of all matrices, which
	// have as many.
	made   func(thread, m, lo, hi int)
	paired bool

	// few says that the tokens stream the rows as they lie. Those of prompts do not,
	// nor those of an observed pass: its quantized rows are unpacked.
	few bool
	// Set by a run for its workers.
	rows           []int // the tokens of the pass
	from, end      int   // of the matrices that are multiplied together
	packIt, rowsIt func(thread, lo, hi int)
}

func (e *exec) product(in backend.Slice, norm *backend.Norm, ts ...*backend.Tensor) (*product, error) {
	p := &product{e: e, in: in, norm: norm, ts: ts, few: e.p.Logged && e.observe == nil}
	if norm != nil {
		w, err := host.Vector(norm.Weight)
		if err != nil {
			return nil, err
		}
		p.w = w
	}
	for _, t := range ts {
		m, err := newMatrix(t)
		if err != nil {
			return nil, err
		}
		p.ms = append(p.ms, m)
	}
	p.packIt, p.rowsIt = p.pack, p.multiply
	return p, nil
}

// meets is the type of weights that a matrix is multiplied as.
func (p *product) meets(m *matrix) quant.Type {
	if s, _ := m.t.Spec(); p.e.observe != nil && s.Block > 1 {
		return quant.F32
	}
	return m.t
}

// run multiplies some tokens of the pass. Their results follow each other. Matrices
// that read one layout of the input are one loop.
func (p *product) run(rows []int) {
	p.rows = rows
	e, tokens := p.e, len(rows)
	for p.from = 0; p.from < len(p.ms); p.from = p.end {
		m := p.ms[p.from]
		if p.few {
			e.inputs.few.Plan(e.k, m.t, tokens, p.in.N)
		} else {
			e.inputs.many.Plan(e.k, p.meets(m), tokens, p.in.N)
		}
		e.pool.each(tokens, 1, p.packIt)
		units := 0
		for p.end = p.from; p.end < len(p.ms) && p.same(m, p.ms[p.end]); p.end++ {
			units += p.units(p.ms[p.end])
		}
		if p.pairs() {
			units = p.units(m)
		}
		e.pool.each(units, 1, p.rowsIt)
	}
}

// same says whether two matrices read one layout of the input.
func (p *product) same(a, b *matrix) bool {
	if p.few {
		return p.e.k.SameInput(a.t, b.t)
	}
	return kernel.SameBatch(p.meets(a), p.meets(b))
}

// units is the number of pieces that a matrix is multiplied in.
func (p *product) units(m *matrix) int {
	if p.few {
		return kernel.Dots(m.rows)
	}
	return (m.rows + p.e.k.TileRows() - 1) / p.e.k.TileRows()
}

// pairs says whether a unit is a piece of every matrix.
func (p *product) pairs() bool {
	return p.paired && p.few && p.from == 0 && p.end == len(p.ms)
}

// pack normalizes and packs rows [lo, hi).
func (p *product) pack(thread, lo, hi int) {
	e := p.e
	for t := lo; t < hi; t++ {
		x := e.row(p.in, p.rows[t])
		if p.norm != nil {
			buf := grow(&e.scratch[thread].rows, p.in.N)
			e.k.RMSNorm(e.workers[thread], buf, x, p.w, p.norm.Eps)
			x = buf
		}
		if p.few {
			e.inputs.few.Pack(t, x)
		} else {
			e.inputs.many.Pack(t, x)
		}
	}
}

// multiply does units [lo, hi) of the present matrices.
func (p *product) multiply(thread, lo, hi int) {
	if p.pairs() {
		for i := range p.ms {
			p.piece(thread, i, lo, hi)
		}
		p.tell(thread, 0, lo, hi)
		return
	}
	for i := p.from; lo < hi; i++ {
		units := p.units(p.ms[i])
		if lo < units {
			end := min(hi, units)
			p.piece(thread, i, lo, end)
			if !p.paired {
				p.tell(thread, i, lo, end)
			}
			lo = end
		}
		lo, hi = lo-units, hi-units
	}
}

// piece does units [lo, hi) of matrix i.
func (p *product) piece(thread, i, lo, hi int) {
	e, m, wk := p.e, p.ms[i], p.e.workers[thread]
	out, ld, add := p.to(i)
	if p.few {
		e.k.Dot(wk, m.t, m.data, m.stride, m.rows, lo, hi, &e.inputs.few, out, ld, add)
		return
	}
	lo, hi = lo*e.k.TileRows(), min(hi*e.k.TileRows(), m.rows)
	if m.t != p.meets(m) {
		p.multiplyFloats(thread, i, lo, hi)
		return
	}
	e.k.Gemm(wk, m.t, m.data, m.stride, lo, hi, &e.inputs.many, out, ld, add)
}

// tell passes the rows of units [lo, hi) of matrix i on to made.
func (p *product) tell(thread, i, lo, hi int) {
	if p.made == nil || !p.few {
		return
	}
	for _, r := range kernel.DotRows(p.ms[i].rows, lo, hi) {
		if r.Lo < r.Hi {
			p.made(thread, i, r.Lo, r.Hi)
		}
	}
}

// matMul is backend.MatMul, and the backend.Finish behind it where that is not nil.
func (e *exec) matMul(n *backend.MatMul, then *backend.Finish) (func(*backend.Params), error) {
	p, err := e.product(n.In, n.Norm, n.W...)
	if err != nil {
		return nil, err
	}
	offset := make([]int, len(p.ms))
	for i, m := range p.ms[:len(p.ms)-1] {
		offset[i+1] = offset[i] + m.rows
	}
	ld := e.p.Widths[n.Out]
	out := e.value(n.Out)
	var add []float32
	if n.Add != backend.None {
		add = e.value(n.Add)
	}
	p.to = func(m int) ([]float32, int, []float32) {
		if add == nil {
			return out[offset[m]:], ld, nil
		}
		return out[offset[m]:], ld, add[offset[m]:]
	}
	if then == nil {
		return func(q *backend.Params) {
			p.show(q)
			p.run(e.rows[:len(q.Tokens)])
		}, nil
	}
	f, err := e.newFinish(then)
	if err != nil {
		return nil, err
	}
	p.made = func(thread, m, lo, hi int) { f.channels(thread, len(p.rows), offset[m]+lo, offset[m]+hi) }
	return func(q *backend.Params) {
		p.show(q)
		if p.run(e.rows[:len(q.Tokens)]); !p.few {
			f.run(q)
		}
	}, nil
}

// gateUp is backend.GateUp: the gate's products wait in Out until up's come.
func (e *exec) gateUp(n *backend.GateUp) (func(*backend.Params), error) {
	p, err := e.product(n.In, n.Norm, n.Gate, n.Up)
	if err != nil {
		return nil, err
	}
	ld := e.p.Widths[n.Out]
	out := e.value(n.Out)
	up := host.Floats(e.p.Tokens * ld)
	p.to = func(m int) ([]float32, int, []float32) {
		if m == 0 {
			return out, ld, nil
		}
		return up, ld, nil
	}
	p.paired = true
	p.made = func(thread, _, lo, hi int) {
		for t := range p.rows {
			row := out[t*ld : (t+1)*ld]
			e.k.SiluMul(e.workers[thread], row[lo:hi], row[lo:hi], up[t*ld+lo:t*ld+hi])
		}
	}
	activate := func(thread, lo, hi int) {
		e.k.SiluMul(e.workers[thread], out[lo:hi], out[lo:hi], up[lo:hi])
	}
	return func(q *backend.Params) {
		p.show(q)
		p.run(e.rows[:len(q.Tokens)])
		if !p.few || !p.same(p.ms[0], p.ms[1]) {
			e.pool.each(len(q.Tokens)*ld, 1024, activate)
		}
	}, nil
}

// head is backend.Logits.
func (e *exec) head(n *backend.Logits) (func(*backend.Params), error) {
	p, err := e.product(n.In, n.Norm, n.W)
	if err != nil {
		return nil, err
	}
	// A few rows of logits are few behind a prompt, too.
	p.few = e.p.LogitRows <= backend.MaxRows && e.observe == nil
	width := p.ms[0].rows
	p.to = func(int) ([]float32, int, []float32) { return e.logits, width, nil }
	var rows []int
	return func(q *backend.Params) {
		p.show(q)
		rows = rows[:0]
		for first, s := range q.Each() {
			for t := first + s.N - s.Logits; t < first+s.N; t++ {
				rows = append(rows, t)
			}
		}
		if len(rows) > 0 {
			p.run(rows)
		}
	}, nil
}
