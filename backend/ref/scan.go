package ref

import (
	"errors"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
)

// conv is backend.Conv.
func (e *exec) conv(n *backend.Conv) (func(*backend.Params), error) {
	wb, err := host.Vectors(n.Weights()...)
	if err != nil {
		return nil, err
	}
	w, bias := wb[0], make([]float32, n.W.Rows)
	if n.Bias != nil {
		bias = wb[1]
	}
	history, width := n.Taps-1, n.In.N
	if err := host.Holds(n.Window, (history+backend.MaxVerify)*width); err != nil {
		return nil, err
	}
	segment := func(first int, s *backend.Segment) {
		tokens, window := s.N, host.StateFloats(s.Seq, n.Window)
		copy(window[:history*width], window[s.Replay*width:(s.Replay+history)*width])
		at := func(t int) []float32 { // input of token t of the segment, negative before it
			if t < 0 {
				return window[(history+t)*width : (history+t+1)*width]
			}
			return e.row(n.In, first+t)
		}
		e.pool.each(tokens, 1, func(_, lo, hi int) {
			taps := make([][]float32, n.Taps)
			for t := lo; t < hi; t++ {
				for k := range taps {
					taps[k] = at(t + k - history)
				}
				out := e.out(n.Out, first+t)
				for c := range out {
					from := c
					if n.Map != nil {
						from = int(n.Map[c])
					}
					sum := bias[c]
					for k, x := range taps {
						sum = float32(w[c*n.Taps+k]*x[from]) + sum
					}
					out[c] = silu(sum)
				}
			}
		})
		if e.p.Logged {
			for t := range tokens {
				copy(window[(history+t)*width:(history+t+1)*width], at(t))
			}
			return
		}
		// The last rows become history; with fewer tokens than taps some of it stays.
		keep := make([]float32, history*width)
		for k := range history {
			copy(keep[k*width:(k+1)*width], at(tokens+k-history))
		}
		copy(window, keep)
	}
	return e.segments(segment), nil
}

// segments runs a node segment by segment.
func (e *exec) segments(run func(first int, s *backend.Segment)) func(*backend.Params) {
	return func(p *backend.Params) {
		for first, s := range p.Each() {
			run(first, s)
		}
	}
}

// scan1 is backend.Scan1, over all cores by channels.
func (e *exec) scan1(n *backend.Scan1) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.A, n.D, n.DtBias)
	if err != nil {
		return nil, err
	}
	a, d, bias := vs[0], vs[1], vs[2]
	channels, N := n.Z.N, n.N
	width := backend.Scan1LogWidth(channels, n.X.N, n.B.N)
	if err := errors.Join(host.Holds(n.H, channels*N), host.Holds(n.Log, backend.MaxVerify*width)); err != nil {
		return nil, err
	}
	bHeads, cHeads := n.B.N/N, n.C.N/N
	repeat := channels / n.X.N
	segment := func(first int, seg *backend.Segment) {
		h, log := host.StateFloats(seg.Seq, n.H), host.StateFloats(seg.Seq, n.Log)
		e.pool.each(channels, N, func(thread, lo, hi int) {
			work := h[lo*N : hi*N]
			advance := func(i int, s []float32, dt, x float32, b []float32) {
				for k := range s {
					s[k] = float32(exp(dt*a[i*N+k])*s[k]) + float32(float32(dt*x)*b[k])
				}
			}
			source := func(i int) int { return i/N/repeat*N + i%N }
			bHead := func(i int, b []float32) []float32 {
				j := i * bHeads / channels
				return b[j*N : (j+1)*N]
			}
			for r := range seg.Replay {
				l := log[r*width : (r+1)*width]
				for i := lo; i < hi; i++ {
					advance(i, work[(i-lo)*N:(i-lo+1)*N], l[i], l[channels+source(i)], bHead(i, l[channels+n.X.N:]))
				}
			}
			if e.p.Logged { // the committed state stays; go on in a copy
				work = append(grow(&e.scratch[thread].acc, 0), work...)
				e.scratch[thread].acc = work
			}
			for t := range seg.N {
				at := first + t
				x, dts, b, c, z, out := e.row(n.X, at), e.row(n.Dt, at), e.row(n.B, at), e.row(n.C, at), e.row(n.Z, at), e.out(n.Out, at)
				for i := lo; i < hi; i++ {
					dt := softplus(dts[i] + bias[i])
					if e.p.Logged {
						log[t*width+i] = dt
					}
					xi := x[source(i)]
					s := work[(i-lo)*N : (i-lo+1)*N]
					advance(i, s, dt, xi, bHead(i, b))
					j := i * cHeads / channels
					y := dot(s, c[j*N:(j+1)*N]) + float32(d[i]*xi)
					out[i] = y * silu(z[i])
				}
			}
		})
		if e.p.Logged {
			for t := range seg.N {
				l := log[t*width+channels : (t+1)*width]
				copy(l, e.row(n.X, first+t))
				copy(l[n.X.N:], e.row(n.B, first+t))
			}
		}
	}
	return e.segments(segment), nil
}

// scan2 is backend.Scan2, over all cores by heads.
func (e *exec) scan2(n *backend.Scan2) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.Weights()...)
	if err != nil {
		return nil, err
	}
	a, d, bias := vs[0], vs[1], vs[2]
	heads, P, N := n.Heads, n.P, n.N
	width := backend.Scan2LogWidth(heads, n.X.N, n.B.N)
	if err := errors.Join(host.Holds(n.H, heads*P*N), host.Holds(n.Log, backend.MaxVerify*width)); err != nil {
		return nil, err
	}
	xHeads, bHeads, cHeads := n.X.N/P, n.B.N/N, n.C.N/N
	segment := func(first int, seg *backend.Segment) {
		state, log := host.StateFloats(seg.Seq, n.H), host.StateFloats(seg.Seq, n.Log)
		e.pool.each(heads, 1, func(thread, lo, hi int) {
			for h := lo; h < hi; h++ {
				xo, bo, co := h*xHeads/heads*P, h*bHeads/heads*N, h*cHeads/heads*N
				s := state[h*P*N : (h+1)*P*N]
				for r := range seg.Replay {
					l := log[r*width : (r+1)*width]
					advance2(s, l[h], a[h], l[heads+xo:][:P], l[heads+n.X.N+bo:][:N])
				}
				if e.p.Logged {
					s = append(grow(&e.scratch[thread].acc, 0), s...)
					e.scratch[thread].acc = s
				}
				for t := range seg.N {
					at := first + t
					x, b, c := e.row(n.X, at)[xo:xo+P], e.row(n.B, at)[bo:bo+N], e.row(n.C, at)[co:co+N]
					dt := softplus(e.row(n.Dt, at)[h] + bias[h])
					if e.p.Logged {
						log[t*width+h] = dt
					}
					advance2(s, dt, a[h], x, b)
					z, out := e.row(n.Z, at)[h*P:(h+1)*P], e.out(n.Out, at)[h*P:(h+1)*P]
					for i := range out {
						y := dot(s[i*N:(i+1)*N], c) + float32(d[h]*x[i])
						out[i] = y * silu(z[i])
					}
				}
			}
		})
		if e.p.Logged {
			for t := range seg.N {
				l := log[t*width+heads : (t+1)*width]
				copy(l, e.row(n.X, first+t))
				copy(l[n.X.N:], e.row(n.B, first+t))
			}
		}
	}
	scan := e.segments(segment)
	return func(p *backend.Params) {
		scan(p)
		if n.NormWeight == nil {
			return
		}
		size, weight := heads*P/n.NormGroups, vs[3]
		e.pool.each(len(p.Tokens), 1, func(_, lo, hi int) {
			for t := lo; t < hi; t++ {
				out := e.out(n.Out, t)
				for g := 0; g < len(out); g += size {
					rmsNorm(out[g:g+size], out[g:g+size], weight[g:g+size], n.NormEps)
				}
			}
		})
	}, nil
}

// advance2 is one step of one head: s[p][n] = exp(dt*a)*s[p][n] + dt*x[p]*b[n].
func advance2(s []float32, dt, a float32, x, b []float32) {
	decay := float32(math.Exp(float64(dt * a)))
	n := len(b)
	for i, v := range x {
		row := s[i*n : (i+1)*n]
		u := dt * v
		for k, w := range b {
			row[k] = float32(decay*row[k]) + float32(u*w)
		}
	}
}
