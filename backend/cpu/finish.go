package cpu

import (
	"math"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
)

// part is a [backend.Part] with its weights.
type part struct {
	backend.Part
	bias, weight []float32 // or nil
}

// finish is backend.Finish, over all threads by tokens. These are few values, so
// plain Go will do.
type finish struct {
	e    *exec
	list []part
	work func(thread, lo, hi int)
}

func (e *exec) newFinish(n *backend.Finish) (*finish, error) {
	f := &finish{e: e}
	for _, p := range n.Parts {
		q := part{Part: p}
		var err error
		if p.Bias != nil {
			if q.bias, err = host.Vector(p.Bias); err != nil {
				return nil, err
			}
		}
		if p.Norm != nil && p.Norm.Weight != nil {
			if q.weight, err = host.Vector(p.Norm.Weight); err != nil {
				return nil, err
			}
		}
		f.list = append(f.list, q)
	}
	f.work = func(thread, lo, hi int) {
		for t := lo; t < hi; t++ {
			for i := range f.list {
				e.part(thread, &f.list[i], t, 0, f.list[i].X.N)
			}
		}
	}
	return f, nil
}

func (f *finish) run(p *backend.Params) { f.e.pool.each(len(p.Tokens), 1, f.work) }

// productAndFinish are the first two of the nodes where the second follows the
// first.
func productAndFinish(nodes []backend.Node) (*backend.MatMul, *backend.Finish) {
	if len(nodes) < 2 {
		return nil, nil
	}
	m, product := nodes[0].(*backend.MatMul)
	f, finish := nodes[1].(*backend.Finish)
	if !product || !finish || !follows(f, m.Out) {
		return nil, nil
	}
	return m, f
}

// follows says whether n needs no more than channels as they are made by one
// product: then every thread completes those that it made.
func follows(n *backend.Finish, made backend.Value) bool {
	return !slices.ContainsFunc(n.Parts, func(p backend.Part) bool { return p.X.V != made || p.Norm != nil || p.Up.N > 0 })
}

// channels completes channels [lo, hi) of the value that all parts are of.
func (f *finish) channels(thread, tokens, lo, hi int) {
	for i := range f.list {
		p := &f.list[i]
		first, end := max(lo-p.X.Off, 0), min(hi-p.X.Off, p.X.N)
		if first >= end {
			continue
		}
		for t := range tokens {
			f.e.part(thread, p, t, first, end)
		}
	}
}

// part completes channels [lo, hi) of a part of one token: all where it has a
// norm.
func (e *exec) part(thread int, p *part, t, lo, hi int) {
	x := e.row(p.X, t)[lo:hi]
	var bias, up []float32
	if p.bias != nil {
		bias = p.bias[lo:hi]
	}
	if p.Up.N > 0 {
		up = e.row(p.Up, t)[lo:hi]
	}
	if p.F == backend.Floor {
		for i, b := range bias {
			x[i] = max(x[i], p.Least-b)
		}
	} else {
		for i, b := range bias {
			x[i] += b
		}
	}
	if p.Norm != nil {
		for i := 0; i < len(x); i += p.Norm.Dim {
			e.headNorm(thread, x[i:i+p.Norm.Dim], p.weight, p.Norm.Eps)
		}
	}
	switch {
	case p.F == backend.SiLU && up != nil:
		e.k.SiluMul(e.workers[thread], x, x, up)
	case p.F == backend.SiLU:
		for i, v := range x {
			x[i] = v / (1 + float32(math.Exp(float64(-v))))
		}
	case p.F == backend.Sigmoid:
		e.sigmoid(thread, x)
	case p.F == backend.ReLU2:
		for i, v := range x {
			v = max(v, 0)
			x[i] = v * v
		}
	}
	if p.F != backend.SiLU {
		for i, v := range up {
			x[i] *= v
		}
	}
	if f := p.Factor(); f != 1 {
		for i := range x {
			x[i] *= f
		}
	}
}

// headNorm normalizes x in place; w may be nil.
func (e *exec) headNorm(thread int, x, w []float32, eps float32) {
	if w != nil {
		e.k.RMSNorm(e.workers[thread], x, x, w, eps)
		return
	}
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(sum/float64(len(x))+float64(eps)))
	for i := range x {
		x[i] *= scale
	}
}

// sigmoid is 1/(1 + exp(-x)) in place.
func (e *exec) sigmoid(thread int, x []float32) {
	a := &e.scratch[thread].vector
	for at := 0; at < len(x); at += len(minusOnes) {
		part := x[at:min(len(x), at+len(minusOnes))]
		*a = kernel.Vector{X: &part[0], W: &minusOnes[0], Out: &part[0], N: len(part)}
		e.k.Decay2(a)
		for i, v := range part {
			part[i] = 1 / (1 + v)
		}
	}
}

var minusOnes = func() (ones [256]float32) {
	for i := range ones {
		ones[i] = -1
	}
	return ones
}()
