package cpu

import (
	"errors"
	"math"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
)

// deltaRule is backend.DeltaScan: first directions of k and q, decay and beta by
// tokens, then the states token by token over all threads by rows, then norm and gate
// by tokens. Prompts take the same steps, some tokens at a time, so that states stay
// in a near cache.
type deltaRule struct {
	e               *exec
	n               *backend.DeltaScan
	a, bias, weight []float32
	ofK, ofQ        []float32 // weights with which an RMSNorm gives directions
	width           int       // of a token's log
	from            []int     // where a head's k and q start
	segs            []scan
	now             *scan // the segment of a prompt
	threads         []threadD
}

// directions are what the steps of tokens read, made once for all rows: of the tokens
// replayed, then of the segment, segment after segment. The nodes of a program share
// them.
type directions struct {
	decay, beta []float32 // [tokens][Heads]
	k, q        []float32 // [tokens][K.N]
	kq          []float32 // [tokens][heads of K]
}

// threadD is a thread's arguments and memory.
type threadD struct {
	step kernel.Delta
	rate kernel.Vector
	u    []float32 // [stepRows]
	work []float32 // [stepRows][N]
}

// Rows of a head and tokens of a prompt that take their steps together.
const (
	stepRows   = 32
	stepTokens = 64
)

func (e *exec) deltaScan(n *backend.DeltaScan) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.Weights()...)
	if err != nil {
		return nil, err
	}
	s := &deltaRule{e: e, n: n, a: vs[0], bias: vs[1], weight: vs[2], width: backend.DeltaLogWidth(n.Heads, n.V.N, n.K.N), threads: make([]threadD, e.pool.threads)}
	if err := errors.Join(host.Holds(n.H, n.Heads*n.P*n.N), host.Holds(n.Log, backend.MaxVerify*s.width)); err != nil {
		return nil, err
	}
	for h := range n.Heads {
		s.from = append(s.from, n.From(h)*n.N)
	}
	root := math.Sqrt(float64(n.N))
	for range n.N {
		s.ofK, s.ofQ = append(s.ofK, float32(1/root)), append(s.ofQ, float32(1/root/root))
	}
	for i := range s.threads {
		s.threads[i].u, s.threads[i].work = host.Floats(stepRows), host.Floats(stepRows*n.N)
	}
	e.directions.room(backend.MaxVerify+e.p.Tokens, n.Heads, n.K.N, n.K.N/n.N)
	prepare, logged, prompt, finish := s.prepare, s.logged, s.prompt, s.finish
	return func(p *backend.Params) {
		s.segs = scans(s.segs, p, n.H, n.Log)
		last := &s.segs[len(s.segs)-1]
		e.directions.room(last.rate+last.replay+last.tokens, n.Heads, n.K.N, n.K.N/n.N)
		for i := range s.segs {
			s.now = &s.segs[i]
			if n := s.now.replay + s.now.tokens; e.p.Logged && n <= 4 { // waking threads takes longer
				prepare(0, 0, n)
			} else {
				e.pool.each(n, 1, prepare)
			}
		}
		if e.p.Logged {
			e.pool.each(len(s.segs)*n.Heads*n.P, 16, logged)
			s.record()
		} else {
			for i := range s.segs {
				s.now = &s.segs[i]
				e.pool.each(n.Heads, 1, prompt)
			}
		}
		e.pool.each(len(p.Tokens)*n.Heads, 1, finish)
	}, nil
}

// room makes room for a pass.
func (d *directions) room(tokens, heads, width, keys int) {
	for _, v := range []struct {
		of *[]float32
		n  int
	}{{&d.decay, heads}, {&d.beta, heads}, {&d.k, width}, {&d.q, width}, {&d.kq, keys}} {
		if len(*v.of) < tokens*v.n {
			*v.of = host.Floats(tokens * v.n)
		}
	}
}

// prepare makes what the steps of tokens [lo, hi) of a segment's log and pass read.
func (s *deltaRule) prepare(thread, lo, hi int) {
	e, n, d, g := s.e, s.n, &s.e.directions, s.now
	for i := lo; i < hi; i++ {
		at := g.rate + i
		decay, beta := d.decay[at*n.Heads:][:n.Heads], d.beta[at*n.Heads:][:n.Heads]
		if i < g.replay {
			l := g.log[i*s.width : (i+1)*s.width]
			copy(decay, l)
			copy(beta, l[n.Heads:])
			s.unit(thread, d.k[at*n.K.N:], l[2*n.Heads+n.V.N:], s.ofK)
			continue
		}
		t := g.first + i - g.replay
		r := &s.threads[thread].rate
		*r = kernel.Vector{X: &e.row(n.Dt, t)[0], W: &s.bias[0], Out: &decay[0], N: n.Heads}
		e.k.Softplus2(r)
		*r = kernel.Vector{X: &decay[0], W: &s.a[0], Out: &decay[0], N: n.Heads}
		e.k.Decay2(r)
		for h, b := range e.row(n.Beta, t) {
			beta[h] = float32(1 / (1 + math.Exp(float64(-b))))
		}
		k, q := d.k[at*n.K.N:], d.q[at*n.K.N:]
		s.unit(thread, k, e.row(n.K, t), s.ofK)
		s.unit(thread, q, e.row(n.Q, t), s.ofQ)
		for j := range n.K.N / n.N {
			var sum float64
			for i, v := range k[j*n.N : (j+1)*n.N] {
				sum += float64(v) * float64(q[j*n.N+i])
			}
			d.kq[at*(n.K.N/n.N)+j] = float32(sum)
		}
	}
}

// unit gives every head of x the length that w stands for.
func (s *deltaRule) unit(thread int, out, x, w []float32) {
	n := s.n.N
	for at := 0; at < s.n.K.N; at += n {
		s.e.k.RMSNorm(s.e.workers[thread], out[at:at+n], x[at:at+n], w, float32(backend.DeltaEps/float64(n)))
	}
}

// logged takes rows [lo, hi) of all segments' heads through log and pass.
func (s *deltaRule) logged(thread, lo, hi int) {
	P, all := s.n.P, s.n.Heads*s.n.P
	for lo < hi {
		i, row := lo/all, lo%all
		h := row / P
		rows := min(hi-lo, (h+1)*P-row, stepRows)
		g := &s.segs[i]
		s.rows(thread, g, h, row-h*P, rows, 0, g.tokens)
		lo += rows
	}
}

// record logs what the pass's tokens bring.
func (s *deltaRule) record() {
	n, d := s.n, &s.e.directions
	for i := range s.segs {
		g := &s.segs[i]
		for t := range g.tokens {
			l, at := g.log[t*s.width:(t+1)*s.width], (g.rate+g.replay+t)*n.Heads
			copy(l, d.decay[at:][:n.Heads])
			copy(l[n.Heads:], d.beta[at:][:n.Heads])
			copy(l[2*n.Heads:], s.e.row(n.V, g.first+t))
			copy(l[2*n.Heads+n.V.N:], s.e.row(n.K, g.first+t))
		}
	}
}

// prompt takes heads [lo, hi) of the present segment through a prompt.
func (s *deltaRule) prompt(thread, lo, hi int) {
	g := s.now
	for h := lo; h < hi; h++ {
		for row := 0; row < s.n.P; row += stepRows {
			s.rows(thread, g, h, row, min(stepRows, s.n.P-row), 0, 0)
		}
		for t := 0; t < g.tokens; t += stepTokens {
			for row := 0; row < s.n.P; row += stepRows {
				s.rows(thread, g, h, row, min(stepRows, s.n.P-row), t, min(stepTokens, g.tokens-t))
			}
		}
	}
}

// rows takes rows [row, row+rows) of head h through tokens [first, first+tokens) of a
// segment. Without tokens, or in a logged pass, it takes them through the log before.
func (s *deltaRule) rows(thread int, g *scan, h, row, rows, first, tokens int) {
	e, n, th, d, a := s.e, s.n, &s.threads[thread], &s.e.directions, &s.threads[thread].step
	replay := g.replay
	if !e.p.Logged && tokens > 0 {
		replay = 0
	}
	*a = kernel.Delta{S: &g.h[(h*n.P+row)*n.N], U: &th.u[0], Rows: rows, N: n.N}
	a.To = a.S
	for r := range replay {
		s.on(a, g.rate+r, h, g.log[r*s.width+2*n.Heads+h*n.P+row:])
		e.k.Delta(a)
	}
	key := s.from[h] / n.N
	for t := first; t < first+tokens; t++ {
		at := g.rate + g.replay + t
		if e.p.Logged && t == first+1 {
			a.To = &th.work[0]
		}
		s.on(a, at, h, e.row(n.V, g.first+t)[h*n.P+row:])
		a.Q, a.KQ, a.Y = &d.q[at*n.K.N+s.from[h]], d.kq[at*(n.K.N/n.N)+key], &e.out(n.Out, g.first+t)[h*n.P+row]
		e.k.Delta(a)
		a.S = a.To
	}
	if a.K != nil && (tokens == 0 || !e.p.Logged) {
		a.Old, a.Was = a.K, a.Decay
		e.k.DeltaEnd(a)
	}
}

// on makes a's token the old one, and sets the next.
func (s *deltaRule) on(a *kernel.Delta, at, h int, v []float32) {
	d, n := &s.e.directions, s.n
	a.Old, a.Was = a.K, a.Decay
	a.K, a.V, a.Decay, a.Beta = &d.k[at*n.K.N+s.from[h]], &v[0], d.decay[at*n.Heads+h], d.beta[at*n.Heads+h]
}

// finish normalizes and gates heads [lo, hi) of all tokens.
func (s *deltaRule) finish(thread, lo, hi int) {
	e, n := s.e, s.n
	for i := lo; i < hi; i++ {
		t, h := i/n.Heads, i%n.Heads
		y := e.out(n.Out, t)[h*n.P : (h+1)*n.P]
		e.k.RMSNorm(e.workers[thread], y, y, s.weight, n.NormEps)
		e.k.SiluMul(e.workers[thread], y, e.row(n.Z, t)[h*n.P:(h+1)*n.P], y)
	}
}

// reorder is backend.Reorder.
func (e *exec) reorder(n *backend.Reorder) func(*backend.Params) {
	work := func(_, lo, hi int) {
		for t := lo; t < hi; t++ {
			in, out := e.row(n.In, t), e.out(n.Out, t)
			for i, from := range n.Order {
				copy(out[i*n.Block:(i+1)*n.Block], in[int(from)*n.Block:])
			}
		}
	}
	return func(p *backend.Params) { e.pool.each(len(p.Tokens), 1, work) }
}
