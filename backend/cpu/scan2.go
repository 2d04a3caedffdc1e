package cpu

import (
	"errors"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
)

// recurrence2 is backend.Scan2: token by token over all threads by rows of
// state, or for prompts in chunks by heads (chunk2.go), then the norm by tokens.
type recurrence2 struct {
	e            *exec
	n            *backend.Scan2
	a, d         []float32
	bias, weight []float32 // weight nil: no norm
	width        int       // of a token's log
	segs         []scan
	xo, bo, co   []int // where a head's x, B and C start
	size         int   // channels of a norm group
	now          *scan // the segment that rates sees
	made         int   // counts segments of prompts
	threads      []thread2
	chunks       *plan2 // of prompts
}

// rates are a pass's [tokens replayed, then of the segment][Heads], segment after
// segment. The nodes of a program share them.
type rates struct{ dt, decay []float32 }

// thread2 is a thread's arguments and memory.
type thread2 struct {
	step kernel.Scan2
	norm kernel.GateNorm
	rate kernel.Vector
	sums []float32 // [tokens][16]
	x, b []float32 // [tokens of the log and of the pass][rows], [N]
	c    []float32 // [tokens of the pass][N]
	chunk2
}

func (e *exec) scan2(n *backend.Scan2) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.Weights()...)
	if err != nil {
		return nil, err
	}
	heads, P, N := n.Heads, n.P, n.N
	s := &recurrence2{e: e, n: n, a: vs[0], d: vs[1], bias: vs[2], width: backend.Scan2LogWidth(heads, n.X.N, n.B.N),
		size: heads * P / n.NormGroups, threads: make([]thread2, e.pool.threads)}
	if n.NormWeight != nil {
		s.weight = vs[3]
	}
	if err := errors.Join(host.Holds(n.H, heads*P*N), host.Holds(n.Log, backend.MaxVerify*s.width)); err != nil {
		return nil, err
	}
	for h := range heads {
		s.xo = append(s.xo, h*(n.X.N/P)/heads*P)
		s.bo = append(s.bo, h*(n.B.N/N)/heads*N)
		s.co = append(s.co, h*(n.C.N/N)/heads*N)
	}
	e.rates.room((backend.MaxVerify + e.p.Tokens) * heads)
	for i := range s.threads {
		th := &s.threads[i]
		th.sums, th.c = host.Floats(backend.MaxVerify*16), host.Floats(backend.MaxVerify*N)
		th.x, th.b = host.Floats(2*backend.MaxVerify*P), host.Floats(2*backend.MaxVerify*N)
	}
	if !e.p.Logged {
		s.chunks = newPlan2(e, n)
		for _, sc := range e.scratch {
			grow(&sc.acc, s.chunks.floats)
		}
	}
	advance, chunked, norm, rates := s.advance, s.chunked, s.norm, s.rates
	return func(p *backend.Params) {
		s.segs = scans(s.segs, p, n.H, n.Log)
		last := &s.segs[len(s.segs)-1]
		e.rates.room((last.rate + last.replay + last.tokens) * heads)
		for i := range s.segs {
			s.now = &s.segs[i]
			if n := s.now.replay + s.now.tokens; e.p.Logged {
				rates(0, 0, n)
			} else {
				e.pool.each(n, 32, rates)
			}
		}
		if e.p.Logged {
			e.pool.each(len(s.segs)*heads*P, 16, advance)
			s.record()
		} else {
			for i := range s.segs {
				s.now = &s.segs[i]
				s.made++
				e.pool.each(heads, e.step(heads, 1), chunked)
			}
		}
		if e.p.Logged || !s.within() {
			e.pool.each(len(p.Tokens)*n.NormGroups, 1, norm)
		}
	}, nil
}

// room makes room for n rates.
func (r *rates) room(n int) {
	if len(r.dt) < n {
		r.dt, r.decay = host.Floats(n), host.Floats(n)
	}
}

// apart reports whether every row of a state has an x of its own: then who advances
// it logs it.
func (s *recurrence2) apart() bool { return s.n.X.N == s.n.Heads*s.n.P }

// record logs dt, B, and x where it is not logged yet, of all segments.
func (s *recurrence2) record() {
	e, n := s.e, s.n
	for i := range s.segs {
		g := &s.segs[i]
		for t := range g.tokens {
			l := g.log[t*s.width : (t+1)*s.width]
			copy(l, e.rates.dt[(g.rate+g.replay+t)*n.Heads:][:n.Heads])
			if !s.apart() {
				copy(l[n.Heads:], e.row(n.X, g.first+t))
			}
			copy(l[n.Heads+n.X.N:], e.row(n.B, g.first+t))
		}
	}
}

// within reports whether no norm group reaches over a head's end: then a prompt's
// heads normalize as they go.
func (s *recurrence2) within() bool { return s.n.P%s.size == 0 }

// rates makes dt and decay of tokens [lo, hi) of a segment's log and pass.
func (s *recurrence2) rates(thread, lo, hi int) {
	e, g, heads, r := s.e, s.now, s.n.Heads, &s.threads[thread].rate
	for t := lo; t < hi; t++ {
		dt, decay := e.rates.dt[(g.rate+t)*heads:][:heads], e.rates.decay[(g.rate+t)*heads:][:heads]
		if t < g.replay {
			copy(dt, g.log[t*s.width:])
		} else {
			*r = kernel.Vector{X: &e.row(s.n.Dt, g.first+t-g.replay)[0], W: &s.bias[0], Out: &dt[0], N: heads}
			e.k.Softplus2(r)
		}
		*r = kernel.Vector{X: &dt[0], W: &s.a[0], Out: &decay[0], N: heads}
		e.k.Decay2(r)
	}
}

// advance takes rows [lo, hi) of all segments' heads' states through log and pass.
func (s *recurrence2) advance(thread, lo, hi int) {
	P, all := s.n.P, s.n.Heads*s.n.P
	for lo < hi {
		i, row := lo/all, lo%all
		h := row / P
		n := min(hi-lo, (h+1)*P-row)
		g := &s.segs[i]
		s.rows(thread, g, h, row-h*P, row-h*P+n, g.tokens)
		if s.apart() {
			for t := range g.tokens {
				copy(g.log[t*s.width+s.n.Heads:][row:row+n], s.e.row(s.n.X, g.first+t)[row:])
			}
		}
		lo += n
	}
}

// rows takes rows [lo, hi) of head h through the log and the tokens of the
// pass. It brings their inputs together first. At their source, rows lie powers
// of two apart, and a cache holds few such lines.
func (s *recurrence2) rows(thread int, g *scan, h, lo, hi, tokens int) {
	e, n, th := s.e, s.n, &s.threads[thread]
	N, rows, R := n.N, hi-lo, g.replay
	x, b, c := th.x[:(R+tokens)*rows], th.b, th.c
	for t := range R {
		l := g.log[t*s.width+n.Heads : (t+1)*s.width]
		copy(x[t*rows:(t+1)*rows], l[s.xo[h]+lo:])
		copy(b[t*N:(t+1)*N], l[n.X.N+s.bo[h]:])
	}
	for t := range tokens {
		copy(x[(R+t)*rows:][:rows], e.row(n.X, g.first+t)[s.xo[h]+lo:])
		copy(b[(R+t)*N:][:N], e.row(n.B, g.first+t)[s.bo[h]:])
		copy(c[t*N:][:N], e.row(n.C, g.first+t)[s.co[h]:])
	}
	th.step = kernel.Scan2{
		S: &g.h[(h*n.P+lo)*N], Rows: rows, N: N, Replay: R, Tokens: tokens,
		Dt: &e.rates.dt[g.rate*n.Heads+h], Decay: &e.rates.decay[g.rate*n.Heads+h], LdRate: n.Heads, X: &x[0], B: &b[0], C: &c[0],
		Y: &e.out(n.Out, g.first)[h*n.P+lo], LdY: e.p.Widths[n.Out],
		Sums: &th.sums[0], D: s.d[h],
	}
	if !e.p.Logged {
		th.step.Keep = 1
	}
	e.k.Scan2(&th.step)
}

// norm gates and normalizes groups [lo, hi) of all tokens.
func (s *recurrence2) norm(thread, lo, hi int) {
	for i := lo; i < hi; i++ {
		s.gate(thread, i/s.n.NormGroups, 1, i%s.n.NormGroups*s.size)
	}
}

// gate gates and normalizes the group at channel at of some tokens, or gates it
// alone.
func (s *recurrence2) gate(thread, first, tokens, at int) {
	e, n, a := s.e, s.n, &s.threads[thread].norm
	if s.weight == nil {
		for t := first; t < first+tokens; t++ {
			y := e.out(n.Out, t)[at : at+s.size]
			e.k.SiluMul(e.workers[thread], y, e.row(n.Z, t)[at:at+s.size], y)
		}
		return
	}
	*a = kernel.GateNorm{Z: &e.row(n.Z, first)[at], LdZ: e.p.Widths[n.Z.V], Y: &e.out(n.Out, first)[at], LdY: e.p.Widths[n.Out],
		W: &s.weight[at], N: s.size, Rows: tokens, Eps: n.NormEps}
	e.k.GateNorm(a)
}
