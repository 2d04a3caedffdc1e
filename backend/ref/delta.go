package ref

import (
	"errors"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// deltaScan is backend.DeltaScan, over all cores by heads.
func (e *exec) deltaScan(n *backend.DeltaScan) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.Weights()...)
	if err != nil {
		return nil, err
	}
	a, bias, weight := vs[0], vs[1], vs[2]
	heads, P, N := n.Heads, n.P, n.N
	width := backend.DeltaLogWidth(heads, n.V.N, n.K.N)
	if err := errors.Join(host.Holds(n.H, heads*P*N), host.Holds(n.Log, backend.MaxVerify*width)); err != nil {
		return nil, err
	}
	segment := func(first int, seg *backend.Segment) {
		state, log := host.StateFloats(seg.Seq, n.H), host.StateFloats(seg.Seq, n.Log)
		e.pool.each(heads, 1, func(thread, lo, hi int) {
			k, q := make([]float32, N), make([]float32, N)
			for h := lo; h < hi; h++ {
				from := n.From(h) * N
				s := state[h*P*N : (h+1)*P*N]
				for r := range seg.Replay {
					l := log[r*width : (r+1)*width]
					direction(k, l[2*heads+n.V.N+from:][:N], 1)
					delta(s, l[h], l[heads+h], l[2*heads+h*P:][:P], k)
				}
				if e.p.Logged {
					s = append(grow(&e.scratch[thread].acc, 0), s...)
					e.scratch[thread].acc = s
				}
				for t := range seg.N {
					at := first + t
					direction(k, e.row(n.K, at)[from:from+N], 1)
					direction(q, e.row(n.Q, at)[from:from+N], float32(1/math.Sqrt(float64(N))))
					v := e.row(n.V, at)[h*P : (h+1)*P]
					decay, beta := exp(a[h]*softplus(e.row(n.Dt, at)[h]+bias[h])), sigmoid(e.row(n.Beta, at)[h])
					if e.p.Logged {
						l := log[t*width : (t+1)*width]
						l[h], l[heads+h] = decay, beta
					}
					delta(s, decay, beta, v, k)
					z, out := e.row(n.Z, at)[h*P:(h+1)*P], e.out(n.Out, at)[h*P:(h+1)*P]
					for i := range out {
						out[i] = dot(s[i*N:(i+1)*N], q)
					}
					rmsNorm(out, out, weight, n.NormEps)
					for i := range out {
						out[i] *= silu(z[i])
					}
				}
			}
		})
		if e.p.Logged {
			for t := range seg.N {
				l := log[t*width+2*heads : (t+1)*width]
				copy(l, e.row(n.V, first+t))
				copy(l[n.V.N:], e.row(n.K, first+t))
			}
		}
	}
	return e.segments(segment), nil
}

// delta is one step of one head's state [len(v)][len(k)].
func delta(s []float32, decay, beta float32, v, k []float32) {
	n := len(k)
	for i := range v {
		row := s[i*n : (i+1)*n]
		for j := range row {
			row[j] *= decay
		}
		u := beta * (v[i] - dot(row, k))
		for j, x := range k {
			row[j] = float32(u*x) + row[j]
		}
	}
}

// direction is x at a length of scale.
func direction(out, x []float32, scale float32) {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	f := scale * float32(1/math.Sqrt(sum+backend.DeltaEps))
	for i, v := range x {
		out[i] = v * f
	}
}

// reorder is backend.Reorder.
func (e *exec) reorder(n *backend.Reorder) func(*backend.Params) {
	return func(p *backend.Params) {
		for t := range p.Tokens {
			in, out := e.row(n.In, t), e.out(n.Out, t)
			for i, from := range n.Order {
				copy(out[i*n.Block:(i+1)*n.Block], in[int(from)*n.Block:])
			}
		}
	}
}
