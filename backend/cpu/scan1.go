package cpu

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu/kernel"
	"github.com/mil-run/mil/backend/host"
)

// lanes is how many channels of Mamba-1 go together.
const lanes = kernel.Scan1Lanes

// recurrence1 is backend.Scan1, over all threads by tiles of channels.
type recurrence1 struct {
	e         *exec
	n         *backend.Scan1
	tiles     []tile1
	a         []float32 // [tile][N][lanes], as the kernels want it
	d, bias   []float32 // [tile][lanes]
	h, log    []float32
	width     int // of a token's log
	tokens    int
	replay    int
	args      []kernel.Scan1     // one a thread
	turn      []kernel.Transpose // one a thread
	perThread int                // float32 of scratch
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
	s := &recurrence1{e: e, n: n, width: backend.Scan1LogWidth(channels, n.X.N, n.B.N), args: make([]kernel.Scan1, e.pool.threads), turn: make([]kernel.Transpose, e.pool.threads)}
	if s.h, err = host.StateFloats(n.H, channels*N); err != nil {
		return nil, err
	}
	if s.log, err = host.StateFloats(n.Log, backend.Verify*s.width); err != nil {
		return nil, err
	}
	s.cut(channels)
	s.a = host.Floats(len(s.tiles) * N * lanes)
	s.d, s.bias = host.Floats(len(s.tiles)*lanes), host.Floats(len(s.tiles)*lanes)
	for i, t := range s.tiles {
		for l := range t.n {
			s.d[i*lanes+l], s.bias[i*lanes+l] = vs[1][t.first+l], vs[2][t.first+l]
			for k := range N {
				s.a[(i*N+k)*lanes+l] = kernel.Scan1A(vs[0][(t.first+l)*N+k])
			}
		}
	}
	s.perThread = (N + 4*max(e.p.Tokens, backend.Verify)) * lanes
	for _, sc := range e.scratch {
		grow(&sc.acc, s.perThread)
	}
	work := s.work
	return func(p *backend.Params) {
		s.tokens, s.replay = len(p.Tokens), p.Replay
		e.pool.each(len(s.tiles), 1, work)
		if e.p.Logged {
			for t := range s.tokens {
				l := s.log[t*s.width+channels : (t+1)*s.width]
				copy(l, e.row(n.X, t))
				copy(l[n.X.N:], e.row(n.B, t))
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

// work advances tiles [lo, hi).
func (s *recurrence1) work(thread, lo, hi int) {
	for i := lo; i < hi; i++ {
		s.tile(thread, i)
	}
}

// rows is lanes adjacent channels of some tokens: what the kernels take.
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

func (s *recurrence1) tile(thread, i int) {
	e, n, t := s.e, s.n, s.tiles[i]
	N, channels := n.N, n.Z.N
	buf := grow(&e.scratch[thread].acc, s.perThread)
	h, buf := buf[:N*lanes], buf[N*lanes:]
	spare := func() []float32 { // of a row a token
		b := buf[:len(buf)/1]
		size := (s.perThread - N*lanes) / 4
		buf = buf[size:]
		return b[:size]
	}
	dts, xs, zs, outs := spare(), spare(), spare(), spare()
	a, turn := &s.args[thread], &s.turn[thread]
	state := s.h[t.first*N : (t.first+t.n)*N]
	if t.n < lanes {
		clear(h)
	}
	*turn = kernel.Transpose{X: &state[0], Out: &h[0], Rows: t.n, Cols: N, LdX: N, LdOut: lanes}
	e.k.Transpose(turn)
	*turn = kernel.Transpose{X: &h[0], Out: &state[0], Rows: N, Cols: t.n, LdX: lanes, LdOut: N} // back
	*a = kernel.Scan1{H: &h[0], A: &s.a[i*N*lanes], N: N, Bias: &s.bias[i*lanes], D: &s.d[i*lanes]}
	set := func(r rows, at **float32, ld *int) { *at, *ld = &r.at[0], r.ld }

	if s.replay > 0 {
		dt, x := rows{s.log[t.first:], s.width}, rows{s.log[channels+t.x:], s.width}
		if t.n < lanes {
			dt, x = dt.gather(dts, t.n, s.replay), x.gather(xs, t.n, s.replay)
		}
		a.Tokens = s.replay
		set(dt, &a.Dt, &a.LdDt)
		set(x, &a.X, &a.LdX)
		set(rows{s.log[channels+n.X.N+t.b:], s.width}, &a.B, &a.LdB)
		e.k.Replay1(a)
		e.k.Transpose(turn)
	}

	dt, x, z, out := e.slice(n.Dt, t.first), e.slice(n.X, t.x), e.slice(n.Z, t.first), rows{e.value(n.Out)[t.first:], channels}
	logged := rows{s.log[t.first:], s.width}
	rates := rows{dts, lanes}
	to := out
	if t.n < lanes {
		dt, x, z, to = dt.gather(dts, t.n, s.tokens), x.gather(xs, t.n, s.tokens), z.gather(zs, t.n, s.tokens), rows{outs, lanes}
	} else if e.p.Logged {
		rates = logged
	}
	a.Tokens = s.tokens
	set(dt, &a.Dt, &a.LdDt)
	set(rates, &a.Out, &a.LdOut)
	e.k.Rates1(a)
	set(rates, &a.Dt, &a.LdDt)
	set(x, &a.X, &a.LdX)
	set(e.slice(n.B, t.b), &a.B, &a.LdB)
	set(e.slice(n.C, t.c), &a.C, &a.LdC)
	set(z, &a.Z, &a.LdZ)
	set(to, &a.Out, &a.LdOut)
	e.k.Scan1(a)
	e.k.Gate1(a)
	if t.n < lanes {
		out.scatter(outs, t.n, s.tokens)
		if e.p.Logged {
			logged.scatter(dts, t.n, s.tokens)
		}
	}
	if !e.p.Logged {
		e.k.Transpose(turn)
	}
}
