package quant

import "math"

// fitLine is the d >= 0 and m for which d*q - m, q within 0..top, comes nearest
// to x by squares, weighted where w is not nil. Unless free, m is not negative.
func fitLine(x, w []float32, top int, free bool) (d, m float32) {
	lo, hi := x[0], x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	if !free {
		lo = min(lo, 0)
	}
	if hi <= lo {
		return 0, -lo
	}
	best := math.Inf(1)
	s := newLine(x, w)
	try := func(inv, least float32) bool {
		s.levels(x, w, inv, least, top)
		fd, fm, cost := s.best(free)
		if fd <= 0 || cost >= best {
			return false
		}
		best, d, m = cost, float32(fd), float32(fm)
		return true
	}
	for _, step := range lineSteps {
		try((float32(top)+step)/(hi-lo), -lo)
	}
	if d == 0 {
		return (hi - lo) / float32(top), -lo
	}
	for range lineRounds {
		if inv := inverse(d); inv-inv != 0 || !try(inv, m) {
			break
		}
	}
	return d, m
}

// lineRounds is how often levels and line are fitted to each other, from the best.
const lineRounds = 2

// lineSteps is how far beyond the last level the largest value is tried.
var lineSteps = [...]float32{-1, -0.6, -0.2, 0, 0.3, 0.6}

// line is the sums that a least-squares fit of d*q - m needs.
type line struct{ n, x, q, qq, xq, xx float64 }

// newLine has the sums that do not depend on levels.
func newLine(x, w []float32) (s line) {
	for i, v := range x {
		wi, xi := 1.0, float64(v)
		if w != nil {
			wi = float64(w[i])
		}
		s.n += wi
		s.x += float64(wi * xi)
		s.xx += float64(float64(wi*xi) * xi)
	}
	return s
}

// levels rounds (x+m)*inv to integers q within 0..top and sums them.
func (s *line) levels(x, w []float32, inv, m float32, top int) {
	if w != nil {
		w = w[:len(x)]
		s.q, s.qq, s.xq = 0, 0, 0
		for i, v := range x {
			q := float64(clamp(round(float32((v+m)*inv)), 0, top))
			wq := float64(float64(w[i]) * q)
			s.q += wq
			s.qq += float64(wq * q)
			s.xq += float64(wq * float64(v))
		}
		return
	}
	var x0, x1 float32
	var n, nn int
	for ; len(x) >= 2; x = x[2:] {
		q0 := clamp(round(float32((x[0]+m)*inv)), 0, top)
		q1 := clamp(round(float32((x[1]+m)*inv)), 0, top)
		x0 += float32(x[0] * number[q0&31])
		x1 += float32(x[1] * number[q1&31])
		n += q0 + q1
		nn += q0*q0 + q1*q1
	}
	s.q, s.qq, s.xq = float64(n), float64(nn), float64(x0+x1)
}

// cost is the sum of squares of d*q - m - x.
func (s *line) cost(d, m float64) float64 {
	return float64(d*d*s.qq) + float64(m*m*s.n) + s.xx - float64(2*d*m*s.q) - float64(2*d*s.xq) + float64(2*m*s.x)
}

// best is the line of least cost; d is 0 where there is none.
func (s *line) best(free bool) (d, m, cost float64) {
	if det := float64(s.n*s.qq) - float64(s.q*s.q); det > 0 {
		d = (float64(s.n*s.xq) - float64(s.x*s.q)) / det
		m = (float64(d*s.q) - s.x) / s.n
	}
	if d <= 0 || !free && m < 0 {
		d, m = 0, 0
		if s.qq > 0 && !free {
			d = s.xq / s.qq
		}
	}
	return d, m, s.cost(d, m)
}
