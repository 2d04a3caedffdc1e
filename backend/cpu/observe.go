package cpu

import (
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/quant"
)

// Observe implements [backend.Observer].
func (b *Backend) Observe(in backend.Inputs) { b.observe = in }

// observed is memory that sums of inputs are made in. The products of 256
// columns with each other are a product of matrices, the columns' with their own
// rows, and go through the kernels that prompts do.
type observed struct {
	rows    []float32 // [tokens][columns], normalized
	columns []float32 // [columns][tokens and a gap]
	batches []kernel.Batch
}

// gap keeps columns of a power of two of tokens out of one another's way in
// the cache.
const gap = 16

// show adds the product's input to its observed sum. It is never stopped half
// way, whatever watches the pass.
func (p *product) show(q *backend.Params) {
	e := p.e
	if e.observe == nil {
		return
	}
	stop := e.pool.stop
	e.pool.stop = nil
	defer func() { e.pool.stop = stop }()
	m, skip := e.observe(p.ts, q)
	n := len(q.Tokens) - skip
	if m == nil || n <= 0 {
		return
	}
	row := p.normalized(skip, n)
	ld := n + gap
	grow(&e.seen.columns, p.in.N*ld)
	blocks := (p.in.N + quant.CovWidth - 1) / quant.CovWidth
	for len(e.seen.batches) < blocks {
		e.seen.batches = append(e.seen.batches, kernel.Batch{})
	}
	e.pool.each(blocks, 1, func(_, lo, hi int) {
		for b := lo; b < hi; b++ {
			e.turn(m, b*quant.CovWidth, n, row)
			if m.Products != nil {
				e.packColumns(b, n)
			}
		}
	})
	if m.Products != nil {
		tile := e.k.TileRows()
		e.pool.each(blocks*quant.CovWidth, tile, func(thread, lo, hi int) {
			for r := lo; r < hi; r += tile {
				e.multiplyColumns(m, thread, r/quant.CovWidth, r%quant.CovWidth, tile, n)
			}
		})
	}
	m.Count += int64(n)
}

// normalized gives the input's rows from token first on.
func (p *product) normalized(first, n int) func(t int) []float32 {
	e := p.e
	if p.norm == nil {
		return func(t int) []float32 { return e.row(p.in, first+t) }
	}
	rows := grow(&e.seen.rows, n*p.in.N)
	row := func(t int) []float32 { return rows[t*p.in.N : (t+1)*p.in.N] }
	e.pool.each(n, 1, func(thread, lo, hi int) {
		for t := lo; t < hi; t++ {
			e.k.RMSNorm(e.workers[thread], row(t), e.row(p.in, first+t), p.w, p.norm.Eps)
		}
	})
	return row
}

// turn writes a block of the rows' columns as rows and adds their squares, each
// column's in the order of its rows.
func (e *exec) turn(m *quant.Moments, first, n int, row func(int) []float32) {
	ld := n + gap
	last := min(first+quant.CovWidth, len(m.Squares))
	out, sums := e.seen.columns[first*ld:], m.Squares[first:last]
	for t := range n {
		for i, v := range row(t)[first:last] {
			out[i*ld+t] = v
			sums[i] += float64(v) * float64(v)
		}
	}
}

// packColumns makes a block's columns the tokens of products.
func (e *exec) packColumns(b, n int) {
	ld := n + gap
	batch := &e.seen.batches[b]
	batch.Plan(e.k, quant.F32, quant.CovWidth, n)
	for i := range quant.CovWidth {
		at := (b*quant.CovWidth + i) * ld
		batch.Pack(i, e.seen.columns[at:at+n])
	}
}

// multiplyColumns adds the products of columns [r, r+rows) of a block with those
// from r on: the rest are the same mirrored.
func (e *exec) multiplyColumns(m *quant.Moments, thread, b, r, rows, n int) {
	ld := n + gap
	at := b * quant.CovWidth * ld
	w := asBytes(e.seen.columns[at : at+quant.CovWidth*ld])
	rest, first := e.seen.batches[b].From(r)
	sums := m.Products[(b*quant.CovWidth+first)*quant.CovWidth : (b+1)*quant.CovWidth*quant.CovWidth]
	e.k.Gemm(e.workers[thread], quant.F32, w, 4*ld, r, r+rows, &rest, sums, quant.CovWidth, sums)
}

// multiplyFloats makes rows [lo, hi) of quantized matrix i with float32 activations: a tile
// of them at a time is unpacked.
func (p *product) multiplyFloats(thread, i, lo, hi int) {
	e, m := p.e, p.ms[i]
	out, ld, add := p.to(i)
	spec, _ := m.t.Spec()
	tile := e.k.TileRows()
	buf := grow(&e.scratch[thread].acc, tile*p.in.N)
	for r := lo; r < hi; r += tile {
		n := min(tile, hi-r)
		rows := buf[:n*p.in.N]
		spec.Unpack(rows, m.data[r*m.stride:(r+n)*m.stride])
		var more []float32
		if add != nil {
			more = add[r:]
		}
		e.k.Gemm(e.workers[thread], quant.F32, asBytes(rows), 4*p.in.N, 0, n, &e.inputs.many, out[r:], ld, more)
	}
}

func asBytes(v []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), 4*len(v))
}
