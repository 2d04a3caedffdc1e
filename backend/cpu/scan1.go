package cpu

import (
	"errors"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
)

// lanes is how many channels of Mamba-1 go together.
const lanes = kernel.Scan1Lanes

// recurrence1 is backend.Scan1, over all threads by tiles of channels.
type recurrence1 struct {
	e       *exec
	n       *backend.Scan1
	tiles   []tile1
	a       []float32 // [tile][N][lanes], as the kernels want it
	d, bias []float32 // [tile][lanes]
	width   int       // of a token's log
	segs    []scan
	now     *scan              // of a prompt, whose segments go one after another
	args    []kernel.Scan1     // one a thread
	turns   []kernel.Transpose // one a thread
	vectors []kernel.Vector    // one a thread
}

// scan is a segment of a pass and its recurrence.
type scan struct {
	first, tokens, replay int
	h, log                []float32
	// rate is where the segment's rates begin in the pass's, by tokens; start is the
	// first token's distance to the last multiple of a chunk in the text.
	rate, start int
}

// scans lists a pass's segments.
func scans(list []scan, p *backend.Params, h, log *backend.State) []scan {
	list = list[:0]
	rate := 0
	for first, s := range p.Each() {
		list = append(list, scan{first, s.N, s.Replay, host.StateFloats(s.Seq, h), host.StateFloats(s.Seq, log), rate, (s.Pos + s.Shift) % kernel.Chunk})
		rate += s.Replay + s.N
	}
	return list
}

// tile1 is channels [first, first+n), at most lanes, which read x from channel
// x on and share their heads of B and C.
type tile1 struct{ first, n, x, b, c int }

func (e *exec) scan1(n *backend.Scan1) (func(*backend.Params), error) {
	vs, err := host.Vectors(n.A, n.D, n.DtBias)
	if err != nil {
		return nil, err
	}
	channels, N := n.Z.N, n.N
	s := &recurrence1{e: e, n: n, width: backend.Scan1LogWidth(channels, n.X.N, n.B.N),
		args: make([]kernel.Scan1, e.pool.threads), turns: make([]kernel.Transpose, e.pool.threads), vectors: make([]kernel.Vector, e.pool.threads)}
	if err := errors.Join(host.Holds(n.H, channels*N), host.Holds(n.Log, backend.MaxVerify*s.width)); err != nil {
		return nil, err
	}
	s.cut(channels)
	s.a = host.Floats(len(s.tiles) * N * lanes)
	s.d, s.bias = host.Floats(len(s.tiles)*lanes), vs[2]
	for i, t := range s.tiles {
		for l := range t.n {
			s.d[i*lanes+l] = vs[1][t.first+l]
			for k := range N {
				s.a[(i*N+k)*lanes+l] = kernel.Scan1A(vs[0][(t.first+l)*N+k])
			}
		}
	}
	for _, sc := range e.scratch {
		grow(&sc.acc, s.floats())
	}
	work, prompt := s.work, s.prompt
	return func(p *backend.Params) {
		s.segs = scans(s.segs, p, n.H, n.Log)
		if !e.p.Logged {
			for i := range s.segs {
				s.now = &s.segs[i]
				e.pool.each(len(s.tiles), e.step(len(s.tiles), 1), prompt)
			}
			return
		}
		e.pool.each(len(s.segs)*len(s.tiles), 1, work)
		for i := range s.segs {
			g := &s.segs[i]
			for t := range g.tokens {
				l := g.log[t*s.width+channels : (t+1)*s.width]
				copy(l, e.row(n.X, g.first+t))
				copy(l[n.X.N:], e.row(n.B, g.first+t))
			}
		}
	}, nil
}

// cut makes the tiles.
func (s *recurrence1) cut(channels int) {
	N, bHeads, cHeads := s.n.N, s.n.B.N/s.n.N, s.n.C.N/s.n.N
	repeat := channels / s.n.X.N
	for i := range channels {
		t := tile1{i, 1, i/N/repeat*N + i%N, i * bHeads / channels * N, i * cHeads / channels * N}
		if last := len(s.tiles) - 1; last >= 0 {
			l := &s.tiles[last]
			if l.n < lanes && l.x+l.n == t.x && l.b == t.b && l.c == t.c {
				l.n++
				continue
			}
		}
		s.tiles = append(s.tiles, t)
	}
}

// block is how many tokens of a prompt all tiles of a range take before the
// next: then they read rows and not columns.
const block = 32

// work1 is a thread's scratch.
type work1 struct {
	h        []float32 // [tiles of the range][N][lanes]
	dt, y    rows      // of the range's channels
	one, two []float32 // [block][lanes], for tiles with fewer channels
}

// floats is how much scratch a thread needs.
func (s *recurrence1) floats() int { return (2*block + len(s.tiles)*(s.n.N+2*block)) * lanes }

// work advances tiles [lo, hi) of all segments'.
func (s *recurrence1) work(thread, lo, hi int) {
	tiles := len(s.tiles)
	for lo < hi {
		i, first := lo/tiles, lo%tiles
		end := min(tiles, first+hi-lo)
		s.segment(thread, &s.segs[i], first, end)
		lo += end - first
	}
}

// prompt advances tiles [lo, hi) of the present segment.
func (s *recurrence1) prompt(thread, lo, hi int) { s.segment(thread, s.now, lo, hi) }

// segment advances tiles [lo, hi) of one segment.
func (s *recurrence1) segment(thread int, g *scan, lo, hi int) {
	e, n := s.e, s.n
	first := s.tiles[lo].first
	channels := s.tiles[hi-1].first + s.tiles[hi-1].n - first
	buf := grow(&e.scratch[thread].acc, s.floats())
	take := func(n int) (v []float32) {
		v, buf = buf[:n], buf[n:]
		return v
	}
	w := work1{one: take(block * lanes), two: take(block * lanes), h: take((hi - lo) * n.N * lanes),
		dt: rows{take(block * channels), channels}, y: rows{take(block * channels), channels}}
	for i := lo; i < hi; i++ {
		h := w.h[(i-lo)*n.N*lanes:]
		s.turn(thread, g, i, h, true)
		if g.replay > 0 {
			s.again(thread, g, i, h, &w)
			s.turn(thread, g, i, h, false)
		}
	}
	v := &s.vectors[thread]
	for t := 0; t < g.tokens; t += block {
		tokens := min(block, g.tokens-t)
		if e.p.Logged {
			w.dt = rows{g.log[first:], s.width}
		}
		for k := range tokens {
			*v = kernel.Vector{X: &e.row(n.Dt, g.first+t+k)[first], W: &s.bias[first], Out: &w.dt.at[k*w.dt.ld], N: channels}
			e.k.Softplus2(v)
		}
		for i := lo; i < hi; i++ {
			s.advance(thread, i, g.first+t, tokens, s.tiles[i].first-first, w.h[(i-lo)*n.N*lanes:], &w)
		}
		for k := range tokens {
			e.k.SiluMul(e.workers[thread], e.out(n.Out, g.first+t+k)[first:first+channels], e.row(n.Z, g.first+t+k)[first:], w.y.at[k*channels:])
		}
	}
	if !e.p.Logged {
		for i := lo; i < hi; i++ {
			s.turn(thread, g, i, w.h[(i-lo)*n.N*lanes:], false)
		}
	}
}

// turn copies a tile's state to h, transposed, or back.
func (s *recurrence1) turn(thread int, g *scan, i int, h []float32, in bool) {
	t, N, a := &s.tiles[i], s.n.N, &s.turns[thread]
	state := &g.h[t.first*N]
	if in {
		if t.n < lanes {
			clear(h[:N*lanes])
		}
		*a = kernel.Transpose{X: state, Out: &h[0], Rows: t.n, Cols: N, LdX: N, LdOut: lanes}
	} else {
		*a = kernel.Transpose{X: &h[0], Out: state, Rows: N, Cols: t.n, LdX: lanes, LdOut: N}
	}
	s.e.k.Transpose(a)
}

// rows is the kernels' input: lanes adjacent channels of some tokens.
type rows struct {
	at []float32
	ld int
}

// gather copies n channels of each token into full rows.
func (r rows) gather(to []float32, n, tokens int) rows {
	for t := range tokens {
		copy(to[t*lanes:], r.at[t*r.ld:][:n])
	}
	return rows{to, lanes}
}

// scatter is gather's way back.
func (r rows) scatter(from []float32, n, tokens int) {
	for t := range tokens {
		copy(r.at[t*r.ld:][:n], from[t*lanes:])
	}
}

// slice is all tokens' channels of v from channel on.
func (e *exec) slice(v backend.Slice, channel int) rows {
	return rows{e.value(v.V)[v.Off+channel:], e.p.Widths[v.V]}
}

// from is the tokens from t on.
func (r rows) from(t int) rows { return rows{r.at[t*r.ld:], r.ld} }

// again replays the log into tile i's state h.
func (s *recurrence1) again(thread int, g *scan, i int, h []float32, w *work1) {
	n, t, a := s.n, &s.tiles[i], &s.args[thread]
	channels := n.Z.N
	dt, x, b := rows{g.log[t.first:], s.width}, rows{g.log[channels+t.x:], s.width}, rows{g.log[channels+n.X.N+t.b:], s.width}
	if t.n < lanes {
		dt, x = dt.gather(w.one, t.n, g.replay), x.gather(w.two, t.n, g.replay)
	}
	*a = kernel.Scan1{H: &h[0], A: &s.a[i*n.N*lanes], N: n.N, Tokens: g.replay, D: &s.d[i*lanes],
		Dt: &dt.at[0], LdDt: dt.ld, X: &x.at[0], LdX: x.ld, B: &b.at[0], LdB: b.ld}
	s.e.k.Replay1(a)
}

// advance takes tile i with state h, at channel at of the range, through tokens
// [first, first+tokens) of the pass.
func (s *recurrence1) advance(thread, i, first, tokens, at int, h []float32, w *work1) {
	e, n, t, a := s.e, s.n, &s.tiles[i], &s.args[thread]
	x, b, c := e.slice(n.X, t.x).from(first), e.slice(n.B, t.b).from(first), e.slice(n.C, t.c).from(first)
	dt, y := rows{w.dt.at[at:], w.dt.ld}, rows{w.y.at[at:], w.y.ld}
	to := y
	if t.n < lanes {
		dt, x = dt.gather(w.one, t.n, tokens), x.gather(w.two, t.n, tokens)
		to = dt // y takes the place of the input
	}
	*a = kernel.Scan1{H: &h[0], A: &s.a[i*n.N*lanes], N: n.N, Tokens: tokens, D: &s.d[i*lanes],
		Dt: &dt.at[0], LdDt: dt.ld, X: &x.at[0], LdX: x.ld, B: &b.at[0], LdB: b.ld, C: &c.at[0], LdC: c.ld, Y: &to.at[0], LdY: to.ld}
	e.k.Scan1(a)
	if t.n < lanes {
		y.scatter(to.at, t.n, tokens)
	}
}
