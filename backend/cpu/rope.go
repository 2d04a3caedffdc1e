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
	freqs  []float64
	pos    []int     // of the text, by tokens of the pass
	filled []bool    // the table's row is that of pos
	table  []float32 // [tokens][2][2*len(freqs)]: cosines, then sines, as kernel.Rotate takes them
	fill   func(thread, lo, hi int)
}

// anglesOf finds or makes the table for some frequencies.
func (e *exec) anglesOf(freqs []float64) *angles {
	for _, a := range e.angles {
		if slices.Equal(a.freqs, freqs) {
			return a
		}
	}
	a := &angles{freqs: freqs, pos: make([]int, e.p.Tokens), filled: make([]bool, e.p.Tokens), table: make([]float32, e.p.Tokens*4*len(freqs))}
	a.fill = func(_, lo, hi int) {
		for t := lo; t < hi; t++ {
			if !a.filled[t] {
				a.position(t)
			}
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
		s, c := math.Sincos(float64(a.pos[t]) * f)
		cos[2*i], cos[2*i+1] = float32(c), float32(c)
		sin[2*i], sin[2*i+1] = -float32(s), float32(s)
	}
	a.filled[t] = true
}

func (a *angles) row(t int) (cos, sin []float32) {
	n := 2 * len(a.freqs)
	return a.table[2*t*n : (2*t+1)*n], a.table[(2*t+1)*n : (2*t+2)*n]
}

// prepare fills the rows of the table for a pass that it does not hold.
func (a *angles) prepare(e *exec, p *backend.Params) {
	holds := true
	for first, s := range p.Each() {
		for t := range s.N {
			if pos := s.Pos + s.Shift + t; a.pos[first+t] != pos || !a.filled[first+t] {
				a.pos[first+t], a.filled[first+t], holds = pos, false, false
			}
		}
	}
	if !holds {
		e.pool.each(len(p.Tokens), 1, a.fill)
	}
}

// ropeStore is backend.RopeStore, over all cores by key-value heads.
func (e *exec) ropeStore(n *backend.RopeStore) (func(*backend.Params), error) {
	keys, values, err := newCaches(n.Heads, n.KCache, n.VCache)
	if err != nil {
		return nil, err
	}
	a := e.anglesOf(n.Freqs)
	d, group := n.Dim, n.Heads.Heads/n.KVHeads
	var segments []stored
	heads := func(thread, lo, hi int) {
		wk, s := e.workers[thread], e.tiles[thread]
		for ; lo < hi; lo++ {
			at, h := &segments[lo/n.KVHeads], lo%n.KVHeads
			for i := range at.tokens {
				t, pos := at.first+i, at.pos+i
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
				keys.block(&s.keys, at.keys, pos/kernel.Block, h)
				values.block(&s.values, at.values, pos/kernel.Block, h)
				e.k.Store(wk, k, v, &s.keys, &s.values, pos%kernel.Block)
			}
		}
	}
	return func(p *backend.Params) {
		a.prepare(e, p)
		segments = segments[:0]
		for first, s := range p.Each() {
			keys.settle(s.Seq, n.At(s))
			values.settle(s.Seq, n.At(s))
			segments = append(segments, stored{first: first, tokens: s.N, pos: n.At(s), keys: keys.of(s.Seq), values: values.of(s.Seq)})
		}
		e.pool.each(n.KVHeads*len(segments), 1, heads)
	}, nil
}

// stored is a segment of a pass and its caches.
type stored struct {
	first, tokens int // of the pass
	pos           int // of the first token in the caches
	keys, values  []byte
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
