package ref

import (
	"fmt"
	"math"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/quant"
)

// tileRows is how many weight rows are unpacked and multiplied together.
const tileRows = 4

// matrix is a weight tensor ready to be multiplied.
type matrix struct {
	rows, cols int
	rowBytes   int
	data       []byte
	f32        []float32 // the rows as they lie, when they are float32
	unpack     func(dst []float32, src []byte)
}

func newMatrix(t *backend.Tensor) (*matrix, error) {
	b, err := host.Tensor(t)
	if err != nil {
		return nil, err
	}
	s, _ := t.Type.Spec()
	m := &matrix{rows: t.Rows, cols: t.Cols, rowBytes: s.RowBytes(t.Cols), data: b, unpack: s.Unpack}
	if t.Type == quant.F32 && len(b) > 0 && uintptr(unsafe.Pointer(&b[0]))%4 == 0 {
		m.f32 = unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), len(b)/4)
	}
	return m, nil
}

// tile returns rows [r, r+n) as float32, in buf where they must be unpacked.
func (m *matrix) tile(r, n int, buf []float32) []float32 {
	if m.f32 != nil {
		return m.f32[r*m.cols : (r+n)*m.cols]
	}
	buf = buf[:n*m.cols]
	m.unpack(buf, m.data[r*m.rowBytes:(r+n)*m.rowBytes])
	return buf
}

// multiply writes y(t)[r] = m[r]·x(t) for all rows and tokens. Each dot product
// is one chain of additions in the order of the columns, whatever the tiling.
func (e *exec) multiply(m *matrix, tokens int, x func(t int) []float32, y func(t, r int, v float32)) {
	e.pool.each(m.rows, tileRows, func(thread, lo, hi int) {
		buf := grow(&e.scratch[thread].rows, tileRows*m.cols)
		for r := lo; r < hi; r += tileRows {
			n := min(tileRows, hi-r)
			w := m.tile(r, n, buf)
			if n < tileRows {
				for t := range tokens {
					for i := range n {
						y(t, r+i, dot(w[i*m.cols:(i+1)*m.cols], x(t)))
					}
				}
				continue
			}
			c := m.cols
			w0, w1, w2, w3 := w[:c], w[c:2*c], w[2*c:3*c], w[3*c:4*c]
			t := 0
			for ; t+1 < tokens; t += 2 {
				a, b := dot4x2(w0, w1, w2, w3, x(t), x(t+1))
				for i := range tileRows {
					y(t, r+i, a[i])
					y(t+1, r+i, b[i])
				}
			}
			if t < tokens {
				a := dot4(w0, w1, w2, w3, x(t))
				for i := range tileRows {
					y(t, r+i, a[i])
				}
			}
		}
	})
}

// dot is the sum of a[i]*b[i], added in order. The products are rounded before
// the addition, so that no compiler may fuse them in one place and not in
// another.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s float32
	for i, v := range a {
		s = float32(v*b[i]) + s
	}
	return s
}

// dot4 is four of [dot] over one input.
func dot4(w0, w1, w2, w3, x []float32) (s [4]float32) {
	n := len(x)
	w0, w1, w2, w3 = w0[:n], w1[:n], w2[:n], w3[:n]
	var a, b, c, d float32
	for i, v := range x {
		a = float32(w0[i]*v) + a
		b = float32(w1[i]*v) + b
		c = float32(w2[i]*v) + c
		d = float32(w3[i]*v) + d
	}
	return [4]float32{a, b, c, d}
}

// dot4x2 is four of [dot] over two inputs.
func dot4x2(w0, w1, w2, w3, x, y []float32) (s, r [4]float32) {
	n := len(x)
	w0, w1, w2, w3, y = w0[:n], w1[:n], w2[:n], w3[:n], y[:n]
	var a, b, c, d, e, f, g, h float32
	for i, v := range x {
		u := y[i]
		p, q := w0[i], w1[i]
		a = float32(p*v) + a
		e = float32(p*u) + e
		b = float32(q*v) + b
		f = float32(q*u) + f
		p, q = w2[i], w3[i]
		c = float32(p*v) + c
		g = float32(p*u) + g
		d = float32(q*v) + d
		h = float32(q*u) + h
	}
	return [4]float32{a, b, c, d}, [4]float32{e, f, g, h}
}

// rowsFrom gives rows of a node's input, of some tokens from first on.
type rowsFrom func(first, tokens int) func(t int) []float32

// input prepares a node's input: its rows as they lie, or normalized.
func (e *exec) input(in backend.Slice, norm *backend.Norm) (rowsFrom, error) {
	if norm == nil {
		return func(first, _ int) func(int) []float32 {
			return func(t int) []float32 { return e.row(in, first+t) }
		}, nil
	}
	w, err := host.Vector(norm.Weight)
	if err != nil {
		return nil, err
	}
	if len(w) != in.N {
		return nil, fmt.Errorf("%s has %d values for %d channels", norm.Weight.Name, len(w), in.N)
	}
	return func(first, tokens int) func(int) []float32 {
		buf := grow(&e.normed, tokens*in.N)
		e.pool.each(tokens, 8, func(_, lo, hi int) {
			for t := lo; t < hi; t++ {
				rmsNorm(buf[t*in.N:(t+1)*in.N], e.row(in, first+t), w, norm.Eps)
			}
		})
		return func(t int) []float32 { return buf[t*in.N : (t+1)*in.N] }
	}, nil
}

// rmsNorm is dst = x * w / sqrt(mean(x²) + eps).
func rmsNorm(dst, x, w []float32, eps float32) {
	var ss float64
	for _, v := range x {
		ss += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(ss/float64(len(x))+float64(eps)))
	for i, v := range x {
		dst[i] = v * scale * w[i]
	}
}

// show adds the input of matrices to its observed sum.
func (e *exec) show(p *backend.Params, input rowsFrom, ws ...*backend.Tensor) {
	if e.observe == nil {
		return
	}
	m, skip := e.observe(ws, p)
	if m == nil || skip >= len(p.Tokens) {
		return
	}
	x := input(skip, len(p.Tokens)-skip)
	for t := range len(p.Tokens) - skip {
		m.Add(x(t))
	}
}

// matMul is backend.MatMul.
func (e *exec) matMul(n *backend.MatMul) (func(*backend.Params), error) {
	input, err := e.input(n.In, n.Norm)
	if err != nil {
		return nil, err
	}
	var ms []*matrix
	for _, t := range n.W {
		m, err := newMatrix(t)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return func(p *backend.Params) {
		tokens := len(p.Tokens)
		e.show(p, input, n.W...)
		x := input(0, tokens)
		off := 0
		for _, m := range ms {
			at := off
			if n.Add == backend.None {
				e.multiply(m, tokens, x, func(t, r int, v float32) { e.out(n.Out, t)[at+r] = v })
			} else {
				e.multiply(m, tokens, x, func(t, r int, v float32) { e.out(n.Out, t)[at+r] = e.out(n.Add, t)[at+r] + v })
			}
			off += m.rows
		}
	}, nil
}

// gateUp is backend.GateUp.
func (e *exec) gateUp(n *backend.GateUp) (func(*backend.Params), error) {
	input, err := e.input(n.In, n.Norm)
	if err != nil {
		return nil, err
	}
	gate, err := newMatrix(n.Gate)
	if err != nil {
		return nil, err
	}
	up, err := newMatrix(n.Up)
	if err != nil {
		return nil, err
	}
	return func(p *backend.Params) {
		e.show(p, input, n.Gate, n.Up)
		x := input(0, len(p.Tokens))
		e.multiply(gate, len(p.Tokens), x, func(t, r int, v float32) { e.out(n.Out, t)[r] = silu(v) })
		e.multiply(up, len(p.Tokens), x, func(t, r int, v float32) { e.out(n.Out, t)[r] *= v })
	}, nil
}

// head is backend.Logits.
func (e *exec) head(n *backend.Logits) (func(*backend.Params), error) {
	input, err := e.input(n.In, n.Norm)
	if err != nil {
		return nil, err
	}
	m, err := newMatrix(n.W)
	if err != nil {
		return nil, err
	}
	return func(p *backend.Params) {
		e.show(p, input, n.W)
		out := e.logits
		for first, s := range p.Each() {
			if s.Logits == 0 {
				continue
			}
			x := input(first+s.N-s.Logits, s.Logits)
			rows := out
			e.multiply(m, s.Logits, x, func(t, r int, v float32) { rows[t*m.rows+r] = v })
			out = out[s.Logits*m.rows:]
		}
	}, nil
}

func silu(x float32) float32 { return x / (1 + exp(-x)) }

func sigmoid(x float32) float32 { return 1 / (1 + exp(-x)) }

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }

// softplus is log(1+exp(x)), which is x to float32's last bit above 20.
func softplus(x float32) float32 {
	if x > 20 {
		return x
	}
	return float32(math.Log1p(math.Exp(float64(x))))
}
