package cpu

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/kernel"
)

// plan2 is how Mamba-2's matrix form lies in a thread's scratch.
type plan2 struct {
	panel     int // columns of a panel
	panels    int // of a state: P rounded up
	na        int // N rounded up to whole tiles
	lda       int // of the left operand: states, then tokens
	stride    int // float32 from panel to panel
	g, floats int // float32 of G, of everything
}

func newPlan2(e *exec, n *backend.Scan2) *plan2 {
	p := &plan2{panel: e.k.Panel(), na: round(n.N, e.k.ProductTile())}
	p.panels = round(n.P, p.panel) / p.panel
	p.lda = p.na + kernel.Chunk
	p.stride = p.lda * p.panel
	p.g = (e.p.Tokens + kernel.Chunk) * kernel.Chunk // a chunk that begins anywhere ends with a whole tile
	p.floats = p.g + kernel.Chunk*(p.lda+p.na+p.na+p.panels*p.panel+1) + p.panels*p.stride
	return p
}

func round(n, to int) int { return (n + to - 1) / to * to }

// chunk2 is a thread's arguments.
type chunk2 struct {
	product kernel.Product
	weigh   kernel.Weigh2
	turn    kernel.Transpose
	finish  kernel.Finish2
	// The head that G was made for last, and of which segment: a group's heads share
	// it.
	head, made int
}

// work2 is a thread's scratch.
type work2 struct {
	g  []float32 // [tokens][Chunk] C·B, within each chunk
	a  []float32 // [Chunk][lda] left operand of y
	bw []float32 // [Chunk][na] left operand of the state
	bt []float32 // B's transpose in panels [N][panel]
	y  []float32 // [Chunk][panels*panel]
	l  []float32 // [Chunk]
	s  []float32 // panels of [na rows of the state's transpose, Chunk of x dt][panel]
}

func (p *plan2) work(buf []float32) (w work2) {
	take := func(n int) (s []float32) {
		s, buf = buf[:n:n], buf[n:]
		return s
	}
	w.s = take(p.panels * p.stride)
	w.g, w.a, w.bw, w.bt = take(p.g), take(kernel.Chunk*p.lda), take(kernel.Chunk*p.na), take(kernel.Chunk*p.na)
	w.y, w.l = take(kernel.Chunk*p.panels*p.panel), take(kernel.Chunk)
	return w
}

// chunked takes heads [lo, hi) of the present segment through a prompt. Chunks begin
// at multiples of their length in the text, so that a row's bits do not depend on
// where a prompt is cut.
func (s *recurrence2) chunked(thread, lo, hi int) {
	g := s.now
	w, th := s.chunks.work(grow(&s.e.scratch[thread].acc, s.chunks.floats)), &s.threads[thread]
	for h := lo; h < hi; h++ {
		if g.replay > 0 {
			s.rows(thread, g, h, 0, s.n.P, 0)
		}
		// Padding and values that another head left must not be infinite, since
		// they are multiplied by zero.
		clear(w.s)
		clear(w.a)
		clear(w.bw)
		s.turnState(thread, g, h, &w, true)
		same := th.made == s.made && s.bo[h] == s.bo[th.head] && s.co[h] == s.co[th.head] // then G is there
		th.head, th.made = h, s.made
		if !same {
			clear(w.bt)
		}
		for t, q := 0, 0; t < g.tokens; t += q {
			q = min(kernel.Chunk-(g.start+t)%kernel.Chunk, g.tokens-t)
			if !same {
				s.similar(thread, g, h, t, q, &w)
			}
			s.chunk(thread, g, h, t, q, &w)
		}
		s.turnState(thread, g, h, &w, false)
	}
}

// turnState copies head h's state into its panels, transposed, or back.
func (s *recurrence2) turnState(thread int, g *scan, h int, w *work2, in bool) {
	p, n, a := s.chunks, s.n, &s.threads[thread].turn
	state := g.h[h*n.P*n.N : (h+1)*n.P*n.N]
	for j := range p.panels {
		cols := min(p.panel, n.P-j*p.panel)
		*a = kernel.Transpose{X: &state[j*p.panel*n.N], Out: &w.s[j*p.stride], Rows: cols, Cols: n.N, LdX: n.N, LdOut: p.panel}
		if !in {
			*a = kernel.Transpose{X: a.Out, Out: a.X, Rows: n.N, Cols: cols, LdX: p.panel, LdOut: n.N}
		}
		s.e.k.Transpose(a)
	}
}

// similar makes G of head h's q tokens of the segment from t on.
func (s *recurrence2) similar(thread int, g *scan, h, t, q int, w *work2) {
	e, p, n, th := s.e, s.chunks, s.n, &s.threads[thread]
	tile := e.k.ProductTile()
	b, c := e.slice(n.B, s.bo[h]), e.slice(n.C, s.co[h])
	b, c = b.from(g.first+t), c.from(g.first+t)
	full := q / tile * tile
	for i := full; i < q; i++ { // rows up to a whole tile are not there to be read
		copy(w.a[(i-full)*p.lda:], c.at[i*c.ld:][:n.N])
	}
	for j := 0; j < q; j += p.panel {
		bt := w.bt[j*n.N:]
		th.turn = kernel.Transpose{X: &b.at[j*b.ld], Out: &bt[0], Rows: min(p.panel, q-j), Cols: n.N, LdX: b.ld, LdOut: p.panel}
		e.k.Transpose(&th.turn)
		// Tokens before the panel's see none of it.
		first := j / tile * tile
		a := &th.product
		*a = kernel.Product{A: &c.at[0], LdA: c.ld, B: &bt[0], K: n.N, LdOut: kernel.Chunk}
		if full > first {
			a.A, a.Rows, a.Out = &c.at[first*c.ld], full-first, &w.g[(t+first)*kernel.Chunk+j]
			e.k.ProductRows(a)
		}
		if full < q {
			a.A, a.LdA, a.Rows, a.Out = &w.a[0], p.lda, tile, &w.g[(t+full)*kernel.Chunk+j]
			e.k.ProductRows(a)
		}
	}
}

// chunk takes head h through its q tokens of the segment from t on.
func (s *recurrence2) chunk(thread int, g *scan, h, t, q int, w *work2) {
	e, p, n, th := s.e, s.chunks, s.n, &s.threads[thread]
	at := g.first + t
	x, b, c := e.slice(n.X, s.xo[h]).from(at), e.slice(n.B, s.bo[h]).from(at), e.slice(n.C, s.co[h]).from(at)
	rate := (g.rate+g.replay+t)*n.Heads + h
	th.weigh = kernel.Weigh2{
		X: &x.at[0], B: &b.at[0], C: &c.at[0], LdX: x.ld, LdB: b.ld, LdC: c.ld,
		Dt: &e.rates.dt[rate], Decay: &e.rates.decay[rate], LdRate: n.Heads,
		G: &w.g[t*kernel.Chunk], Tokens: q, N: n.N, P: n.P,
		A: &w.a[0], LdA: p.lda, NA: p.na, BW: &w.bw[0], XDt: &w.s[p.na*p.panel], Panel: p.stride, L: &w.l[0],
	}
	e.k.Weigh2(&th.weigh)
	tile, ldy := e.k.ProductTile(), p.panels*p.panel
	for j := range p.panels {
		// A tile of tokens sees its own and those before.
		th.product = kernel.Product{A: &w.a[0], LdA: p.lda, B: &w.s[j*p.stride], Rows: round(q, tile), K: p.na + tile, More: tile, Out: &w.y[j*p.panel], LdOut: ldy}
		e.k.ProductRows(&th.product)
		th.product = kernel.Product{A: &w.bw[0], LdA: p.na, B: &w.s[j*p.stride+p.na*p.panel], Rows: p.na, K: q, Out: &w.s[j*p.stride], LdOut: p.panel, Keep: w.l[0]}
		e.k.ProductColumns(&th.product)
	}
	out := rows{e.value(n.Out)[h*n.P:], e.p.Widths[n.Out]}
	th.finish = kernel.Finish2{Y: &w.y[0], X: &x.at[0], Out: &out.at[at*out.ld], Tokens: q, N: n.P, LdY: ldy, LdX: x.ld, LdOut: out.ld, D: s.d[h]}
	e.k.Finish2(&th.finish)
	if s.within() {
		for c := h * n.P; c < (h+1)*n.P; c += s.size {
			s.gate(thread, at, q, c)
		}
	}
}
