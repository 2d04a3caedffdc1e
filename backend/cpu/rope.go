package cpu

import (
	"math"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/kernel"
)

// angles are the cosines and sines of a pass's positions, made once for all
// layers that turn by the same frequencies.
type angles struct {
	freqs       []float64
	pos, tokens int       // of the text that the table covers
	table       []float32 // [tokens][2][2*len(freqs)]: cosines, then sines, as kernel.Rotate takes them
	fill        func(thread, lo, hi int)
}

// anglesOf finds or makes the table for some frequencies.
func (e *exec) anglesOf(freqs []float64) *angles {
	for _, a := range e.angles {
		if slices.Equal(a.freqs, freqs) {
			return a
		}
	}
	a := &angles{freqs: freqs, table: make([]float32, e.p.Tokens*4*len(freqs))}
	a.fill = func(_, lo, hi int) {
		for t := lo; t < hi; t++ {
			a.position(t)
		}
	}
	e.angles = append(e.angles, a)
	return a
}

// position computes token t's row in float64: a position of 100,000 leaves
// float32 no digits for the angle.
func (a *angles) position(t int) {
	cos, sin := a.row(t)
	for i, f := range a.freqs {
		s, c := math.Sincos(float64(a.pos+t) * f)
		cos[2*i], cos[2*i+1] = float32(c), float32(c)
		sin[2*i], sin[2*i+1] = -float32(s), float32(s)
	}
}

func (a *angles) row(t int) (cos, sin []float32) {
	n := 2 * len(a.freqs)
	return a.table[2*t*n : (2*t+1)*n], a.table[(2*t+1)*n : (2*t+2)*n]
}

// prepare fills the table for a pass unless it holds it.
func (a *angles) prepare(e *exec, p *backend.Params) {
	if a.pos == p.Pos+p.Shift && a.tokens >= len(p.Tokens) {
		return
	}
	a.pos, a.tokens = p.Pos+p.Shift, len(p.Tokens)
	e.pool.each(a.tokens, 1, a.fill)
}

// ropeStore is backend.RopeStore, over all cores by key-value heads.
func (e *exec) ropeStore(n *backend.RopeStore) (func(*backend.Params), error) {
	keys, values, err := newCaches(n.Heads, n.KCache, n.VCache)
	if err != nil {
		return nil, err
	}
	a := e.anglesOf(n.Freqs)
	d, group := n.Dim, n.Heads.Heads/n.KVHeads
	var pos, tokens int
	heads := func(thread, lo, hi int) {
		wk, s := e.workers[thread], e.tiles[thread]
		for h := lo; h < hi; h++ {
			for t := range tokens {
				cos, sin := a.row(t)
				q := e.row(n.Q, t)[h*group*d : (h+1)*group*d]
				k, v := e.row(n.K, t)[h*d:(h+1)*d], e.row(n.V, t)[h*d:(h+1)*d]
				if n.Halves {
					rotateHalves(q, d, cos, sin)
					rotateHalves(k, d, cos, sin)
				} else {
					e.k.Rotate(wk, q, d, cos, sin)
					e.k.Rotate(wk, k, d, cos, sin)
				}
				at := pos + t
				keys.block(&s.keys, at/kernel.Block, h)
				values.block(&s.values, at/kernel.Block, h)
				e.k.Store(wk, k, v, &s.keys, &s.values, at%kernel.Block)
			}
		}
	}
	return func(p *backend.Params) {
		a.prepare(e, p)
		pos, tokens = n.At(p), len(p.Tokens)
		e.pool.each(n.KVHeads, 1, heads)
	}, nil
}

// rotateHalves turns the channels i and n+i of each head of dim channels, of n
// pairs. cos and sin have every pair's twice.
func rotateHalves(x []float32, dim int, cos, sin []float32) {
	n := len(cos) / 2
	for ; len(x) > 0; x = x[dim:] {
		low, high := x[:n], x[n:2*n]
		for i, a := range low {
			b, c, s := high[i], cos[2*i], sin[2*i+1]
			low[i] = float32(a*c) - float32(b*s)
			high[i] = float32(b*c) + float32(a*s)
		}
	}
}
