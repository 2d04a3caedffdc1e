package cpu

import (
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// part is a [backend.Part] with its weights.
type part struct {
	backend.Part
	bias, weight []float32 // or nil
}

// finish is backend.Finish, over all threads by tokens. These are few values, so
// plain Go will do.
func (e *exec) finish(n *backend.Finish) (func(*backend.Params), error) {
	var list []part
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
		list = append(list, q)
	}
	work := func(thread, lo, hi int) {
		for t := lo; t < hi; t++ {
			for i := range list {
				e.part(thread, &list[i], t)
			}
		}
	}
	return func(p *backend.Params) { e.pool.each(len(p.Tokens), 1, work) }, nil
}

// part completes a part of one token.
func (e *exec) part(thread int, p *part, t int) {
	x := e.row(p.X, t)
	if p.F == backend.Floor {
		for i, b := range p.bias[:len(x)] {
			x[i] = max(x[i], p.Least-b)
		}
	} else if p.bias != nil {
		for i, b := range p.bias[:len(x)] {
			x[i] += b
		}
	}
	if p.Norm != nil {
		for i := 0; i < len(x); i += p.Norm.Dim {
			e.headNorm(thread, x[i:i+p.Norm.Dim], p.weight, p.Norm.Eps)
		}
	}
	switch {
	case p.F == backend.SiLU && p.Up.N > 0:
		e.k.SiluMul(e.workers[thread], x, x, e.row(p.Up, t))
	case p.F == backend.SiLU:
		for i, v := range x {
			x[i] = v / (1 + float32(math.Exp(float64(-v))))
		}
	case p.F == backend.ReLU2:
		for i, v := range x {
			v = max(v, 0)
			x[i] = v * v
		}
	}
	if p.F != backend.SiLU && p.Up.N > 0 {
		for i, v := range e.row(p.Up, t)[:len(x)] {
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
