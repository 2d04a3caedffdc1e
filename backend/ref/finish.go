package ref

import (
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// finish is backend.Finish, over all cores by tokens.
func (e *exec) finish(n *backend.Finish) (func(*backend.Params), error) {
	var list []func(t int)
	for _, p := range n.Parts {
		f, err := e.part(p)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return func(p *backend.Params) {
		e.pool.each(len(p.Tokens), 1, func(_, lo, hi int) {
			for t := lo; t < hi; t++ {
				for _, f := range list {
					f(t)
				}
			}
		})
	}, nil
}

// part completes a part of one token.
func (e *exec) part(p backend.Part) (func(t int), error) {
	var bias, weight []float32
	var err error
	if p.Bias != nil {
		if bias, err = host.Vector(p.Bias); err != nil {
			return nil, err
		}
	}
	if p.Norm != nil && p.Norm.Weight != nil {
		if weight, err = host.Vector(p.Norm.Weight); err != nil {
			return nil, err
		}
	}
	factor := p.Factor()
	return func(t int) {
		x := e.row(p.X, t)
		for i, b := range bias {
			if p.F == backend.Floor {
				x[i] = max(x[i], p.Least-b)
			} else {
				x[i] += b
			}
		}
		if p.Norm != nil {
			for i := 0; i < len(x); i += p.Norm.Dim {
				headNorm(x[i:i+p.Norm.Dim], weight, p.Norm.Eps)
			}
		}
		for i, v := range x {
			x[i] = activate(p.F, v)
		}
		if p.Up.N > 0 {
			for i, v := range e.row(p.Up, t) {
				x[i] *= v
			}
		}
		for i := range x {
			x[i] *= factor
		}
	}, nil
}

// headNorm is x * w / sqrt(mean(x²) + eps) in place; w may be nil.
func headNorm(x, w []float32, eps float32) {
	var ss float64
	for _, v := range x {
		ss += float64(v) * float64(v)
	}
	scale := float32(1 / math.Sqrt(ss/float64(len(x))+float64(eps)))
	for i, v := range x {
		x[i] = v * scale
		if w != nil {
			x[i] *= w[i]
		}
	}
}

func activate(f backend.Activation, x float32) float32 {
	switch f {
	case backend.SiLU:
		return silu(x)
	case backend.ReLU2:
		x = max(x, 0)
		return x * x
	case backend.Sigmoid:
		return sigmoid(x)
	}
	return x
}
