package cpu

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu/kernel"
	"github.com/mil-run/mil/backend/host"
)

// recurrence2 is backend.Scan2: token by token over all threads by rows of
// state, or for prompts in chunks by heads (chunk2.go), then the norm by tokens.
type recurrence2 struct {
	e            *exec
	n            *backend.Scan2
	a, d         []float32
	bias, weight []float32
	state, log   []float32
	width        int       // of a token's log
	dt, decay    []float32 // [tokens replayed, then of the pass][Heads]
	tokens       int
	replay       int
	xo, bo, co   []int // where a head's x, B and C start
	size         int   // channels of a norm group
	one          kernel.Scan2Row
	threads      []thread2
	chunks       *plan2 // of prompts
}

// thread2 is a thread's arguments and memory.
type thread2 struct {
	step kernel.Scan2
	norm kernel.Scan2Row
	sums []float32 // [tokens][16]
	chunk2
}

func (e *exec) scan2(n *backend.Scan2) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.A, n.D, n.DtBias, n.NormWeight)
	if err != nil {
		return nil, err
	}
	heads, P, N := n.Heads, n.P, n.N
	s := &recurrence2{e: e, n: n, a: vs[0], d: vs[1], bias: vs[2], weight: vs[3], width: backend.Scan2LogWidth(heads, n.X.N, n.B.N),
		size: heads * P / n.NormGroups, threads: make([]thread2, e.pool.threads)}
	if s.state, err = host.StateFloats(n.H, heads*P*N); err != nil {
		return nil, err
	}
	if s.log, err = host.StateFloats(n.Log, backend.Verify*s.width); err != nil {
		return nil, err
	}
	for h := range heads {
		s.xo = append(s.xo, h*(n.X.N/P)/heads*P)
		s.bo = append(s.bo, h*(n.B.N/N)/heads*N)
		s.co = append(s.co, h*(n.C.N/N)/heads*N)
	}
	rates := (backend.Verify + e.p.Tokens) * heads
	s.dt, s.decay = host.Floats(rates), host.Floats(rates)
	for i := range s.threads {
		s.threads[i].sums = host.Floats(backend.Verify * 16)
	}
	if e.p.Tokens > backend.Verify {
		s.chunks = newPlan2(e, n)
		for _, sc := range e.scratch {
			grow(&sc.acc, s.chunks.floats)
		}
	}
	advance, chunked, norm := s.advance, s.chunked, s.norm
	return func(p *backend.Params) {
		s.tokens, s.replay = len(p.Tokens), p.Replay
		s.rates()
		if s.tokens <= backend.Verify {
			e.pool.each(heads*P, 16, advance)
		} else {
			e.pool.each(heads, 1, chunked)
		}
		if e.p.Logged {
			for t := range s.tokens {
				l := s.log[t*s.width+heads : (t+1)*s.width]
				copy(l, e.row(n.X, t))
				copy(l[n.X.N:], e.row(n.B, t))
			}
		}
		e.pool.each(s.tokens*n.NormGroups, 1, norm)
	}, nil
}

// rates makes every token's dt and decay, and logs dt.
func (s *recurrence2) rates() {
	e, heads, r := s.e, s.n.Heads, &s.one
	for t := range s.replay + s.tokens {
		dt, decay := s.dt[t*heads:][:heads], s.decay[t*heads:][:heads]
		if t < s.replay {
			copy(dt, s.log[t*s.width:])
		} else {
			*r = kernel.Scan2Row{X: &e.row(s.n.Dt, t-s.replay)[0], W: &s.bias[0], Out: &dt[0], N: heads}
			e.k.Softplus2(r)
		}
		*r = kernel.Scan2Row{X: &dt[0], W: &s.a[0], Out: &decay[0], N: heads}
		e.k.Decay2(r)
	}
	if e.p.Logged {
		for t := range s.tokens {
			copy(s.log[t*s.width:], s.dt[(s.replay+t)*heads:][:heads])
		}
	}
}

// advance takes rows [lo, hi) of all heads' states through log and pass.
func (s *recurrence2) advance(thread, lo, hi int) {
	P := s.n.P
	for lo < hi {
		h := lo / P
		end := min(hi, (h+1)*P)
		s.rows(thread, h, lo-h*P, end-h*P, s.tokens)
		lo = end
	}
}

// rows takes rows [lo, hi) of head h through the log and so many tokens of the pass.
func (s *recurrence2) rows(thread, h, lo, hi, tokens int) {
	e, n, th := s.e, s.n, &s.threads[thread]
	widths := e.p.Widths
	th.step = kernel.Scan2{
		S: &s.state[(h*n.P+lo)*n.N], Rows: hi - lo, N: n.N, Replay: s.replay, Tokens: tokens,
		Dt: &s.dt[h], Decay: &s.decay[h], LdRate: n.Heads,
		LogX: &s.log[n.Heads+s.xo[h]+lo], LogB: &s.log[n.Heads+n.X.N+s.bo[h]], LdLog: s.width,
		X: &e.row(n.X, 0)[s.xo[h]+lo], LdX: widths[n.X.V],
		B: &e.row(n.B, 0)[s.bo[h]], LdB: widths[n.B.V],
		C: &e.row(n.C, 0)[s.co[h]], LdC: widths[n.C.V],
		Y: &e.out(n.Out, 0)[h*n.P+lo], LdY: widths[n.Out],
		Sums: &th.sums[0], D: s.d[h],
	}
	if !e.p.Logged {
		th.step.Keep = 1
	}
	e.k.Scan2(&th.step)
}

// norm gates and normalizes groups [lo, hi) of all tokens.
func (s *recurrence2) norm(thread, lo, hi int) {
	e, r := s.e, &s.threads[thread].norm
	for i := lo; i < hi; i++ {
		t, at := i/s.n.NormGroups, i%s.n.NormGroups*s.size
		*r = kernel.Scan2Row{X: &e.row(s.n.Z, t)[at], W: &s.weight[at], Out: &e.out(s.n.Out, t)[at], N: s.size, Eps: s.n.NormEps}
		e.k.GateNorm(r)
	}
}
