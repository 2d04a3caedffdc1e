package quant

import "math"

// CovWidth is the number of neighbouring columns whose products of inputs are
// known.
const CovWidth = 256

// Inputs describes the numbers that a matrix's columns are multiplied by.
type Inputs struct {
	// Square is the mean square of each column's inputs, not negative.
	Square []float32
	// Cov, if not nil, is the mean product of the inputs of every two columns
	// of each CovWidth: [columns/CovWidth][CovWidth][CovWidth], symmetric.
	Cov []float32
	// Multiply, where not nil, is a faster out = e * cov for rows e of CovWidth values
	// and one [CovWidth][CovWidth] of Cov.
	Multiply func(out, e, cov []float32)
}

// PackWeighted is Pack that minimizes squared errors weighted by their column's
// Square. Where Cov is known, it then moves the levels of the K types so that
// the squared error of whole products falls. src is whole rows. By that measure
// no block is worse than Pack's. A block whose squares are all zero, or contain
// NaN or infinity, is Pack's.
func (s *Spec) PackWeighted(dst []byte, src []float32, in Inputs) {
	if in.Cov != nil && kTops[s.Type] > 0 {
		t := together{in: in}
		t.pack(s, dst, src)
		return
	}
	s.Pack(dst, src)
	if s.weigh == nil {
		return
	}
	cols := len(in.Square)
	block := make([]byte, s.Bytes)
	y := make([]float32, s.Block)
	for at := 0; len(src) >= s.Block; at += s.Block {
		if at == cols {
			at = 0
		}
		x, b := src[:s.Block], dst[:s.Bytes]
		src, dst = src[s.Block:], dst[s.Bytes:]
		f := fit{x: x, w: in.Square[at : at+s.Block]}
		if !usable(f.w) || !(peak(x) <= mostQ4_0) {
			continue
		}
		s.Unpack(y, b)
		plain := f.cost(y)
		s.weigh(block, &f)
		s.Unpack(y, block)
		if f.cost(y) < plain {
			copy(b, block)
		}
	}
}

// usable says whether weights tell values apart.
func usable(w []float32) bool {
	var sum float32
	for _, v := range w {
		if !(v >= 0) {
			return false
		}
		sum += v
	}
	return sum > 0 && sum <= math.MaxFloat32
}

// fit is one block's values and the weights of their errors.
type fit struct{ x, w []float32 }

// cost is the weighted squared error with y in the place of x.
func (f *fit) cost(y []float32) (cost float64) {
	for i, v := range f.x {
		e := float64(y[i]) - float64(v)
		cost += float64(float64(f.w[i]) * float64(e*e))
	}
	return cost
}

// Fits by weights search more than others. They are made once, from an
// importance matrix that took longer to gather.
const (
	weighSteps  = 16 // scales tried for a group
	weighRounds = 3  // of fitting levels and scale to each other
)

// weighScale is the d for which d*q, q within lo..hi, comes nearest to x by
// weighted squares. The value of largest magnitude is put at several levels
// around the last, and d and levels are fitted to each other from there.
func weighScale(x, w []float32, lo, hi int) float32 {
	top := float32(0)
	for _, v := range x {
		if max(v, -v) > max(top, -top) {
			top = v
		}
	}
	if top == 0 {
		return 0
	}
	var best float64
	d := top / float32(lo)
	for step := range weighSteps {
		inv := float32(lo) * (1.1 - 0.35*float32(step)/(weighSteps-1)) / top
		for range weighRounds {
			xq, qq := weighLevels(x, w, inv, lo, hi)
			if qq == 0 || xq*float64(inv) <= 0 {
				break
			}
			fit := float32(xq / qq)
			if gain := xq * xq / qq; gain > best {
				best, d = gain, fit
			}
			if inv = inverse(fit); inv-inv != 0 {
				break
			}
		}
	}
	return d
}

// weighLevels rounds x*inv to integers q within lo..hi and returns the
// weighted sums of x*q and q*q.
func weighLevels(x, w []float32, inv float32, lo, hi int) (xq, qq float64) {
	for i, v := range x {
		q := float64(clamp(round(float32(v*inv)), lo, hi))
		wq := float64(float64(w[i]) * q)
		xq += float64(wq * float64(v))
		qq += float64(wq * q)
	}
	return xq, qq
}

// weigh is fit by weighted squares.
func (s *scaled) weigh(f *fit) {
	x, w := (*[256]float32)(f.x), (*[256]float32)(f.w)
	var scale [16]float32
	top := float32(0)
	for g := range scale {
		scale[g] = weighScale(x[16*g:16*g+16], w[16*g:16*g+16], -32, 31)
		if max(scale[g], -scale[g]) > max(top, -top) {
			top = scale[g]
		}
	}
	h := halfAbove(max(top, -top) / 128)
	if top > 0 {
		h |= 0x8000
	}
	d := F16ToF32(h)
	for range weighRounds {
		var xq, qq float64
		for g := range scale {
			gx, gw := x[16*g:16*g+16], w[16*g:16*g+16]
			sc := clamp(round(float32(scale[g]*inverse(d))), -128, 127)
			a, b := weighLevels(gx, gw, inverse(d*float32(sc)), -32, 31)
			s.sc[g] = int8(sc)
			xq += float64(a * float64(sc))
			qq += float64(b * float64(sc*sc))
		}
		if qq == 0 {
			break
		}
		if n := half(float32(xq / qq)); n&0x7fff != 0 {
			h, d = n, F16ToF32(n)
		}
	}
	s.d = h
	for g := range s.sc {
		inv := inverse(d * float32(s.sc[g]))
		for i, v := range x[16*g : 16*g+16] {
			s.q[16*g+i] = uint8(clamp(round(float32(v*inv)), -32, 31) + 32)
		}
	}
}

// weightedSums are the sums for a least-squares fit of d*q - m to weighted
// values.
type weightedSums struct{ w, x, q, qq, xq, xx float64 }

// sum rounds (x+m)*inv to integers q within 0..top and sums them.
func (s *weightedSums) sum(x, w *[32]float32, inv, m float32, top int) {
	*s = weightedSums{}
	for i, v := range x {
		q := float64(clamp(round(float32((v+m)*inv)), 0, top))
		wi, xi := float64(w[i]), float64(v)
		wq, wx := float64(wi*q), float64(wi*xi)
		s.w += wi
		s.x += wx
		s.q += wq
		s.qq += float64(wq * q)
		s.xq += float64(wq * xi)
		s.xx += float64(wx * xi)
	}
}

// solve is the best d > 0 and m >= 0, if there is a d.
func (s *weightedSums) solve() (d, m float64, ok bool) {
	if det := float64(s.w*s.qq) - float64(s.q*s.q); det > 0 {
		d = (float64(s.w*s.xq) - float64(s.x*s.q)) / det
		m = (float64(d*s.q) - s.x) / s.w
	}
	if d <= 0 || m < 0 {
		if s.qq == 0 {
			return 0, 0, false
		}
		d, m = s.xq/s.qq, 0
	}
	return d, m, d > 0
}

// error is the weighted squares' sum for d and m.
func (s *weightedSums) error(d, m float64) float64 {
	return s.xx - float64(2*d*s.xq) + float64(2*m*s.x) + float64(d*d*s.qq) - float64(2*d*m*s.q) + float64(m*m*s.w)
}

// weighLine is the best d and m of one group by weighted squares.
func weighLine(x, w *[32]float32, top int) (d, m float32) {
	lo, hi := min(x[0], 0), x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	if hi <= lo {
		return 0, -lo
	}
	d, m = (hi-lo)/float32(top), -lo
	best := math.Inf(1)
	var s weightedSums
	for step := range weighSteps {
		inv, least := (float32(top)-1+3*float32(step)/(weighSteps-1))/(hi-lo), -lo
		for range weighRounds {
			s.sum(x, w, inv, least, top)
			fd, fm, ok := s.solve()
			if !ok {
				break
			}
			if e := s.error(fd, fm); e < best {
				best, d, m = e, float32(fd), float32(fm)
			}
			inv, least = inverse(float32(fd)), float32(fm)
			if inv-inv != 0 {
				break
			}
		}
	}
	return d, m
}

// weigh is fit by weighted squares: after each group's own line, the six-bit
// scales and minimums next to those are tried, and d and m refitted, in turn.
func (a *affine) weigh(f *fit, top int) {
	x, w := (*[256]float32)(f.x), (*[256]float32)(f.w)
	var scale, least [8]float32
	var topScale, topLeast float32
	for g := range scale {
		scale[g], least[g] = weighLine((*[32]float32)(x[32*g:]), (*[32]float32)(w[32*g:]), top)
		topScale, topLeast = max(topScale, scale[g]), max(topLeast, least[g])
	}
	a.d, a.m = halfAbove(topScale/63), halfAbove(topLeast/63)
	di, mi := inverse(F16ToF32(a.d)), inverse(F16ToF32(a.m))
	for g := range scale {
		a.sc[g] = uint8(clamp(round(float32(scale[g]*di)), 0, 63))
		a.mn[g] = uint8(clamp(round(float32(least[g]*mi)), 0, 63))
	}
	for range weighRounds {
		a.neighbours(x, w, top)
		if !a.refit(x, w, top) {
			break
		}
	}
	d, m := F16ToF32(a.d), F16ToF32(a.m)
	for g := range a.sc {
		least, inv := m*float32(a.mn[g]), inverse(d*float32(a.sc[g]))
		for i, v := range x[32*g : 32*g+32] {
			a.q[32*g+i] = uint8(clamp(round(float32((v+least)*inv)), 0, top))
		}
	}
}

// neighbours moves every group's scale and minimum to the best among
// themselves and those next to them.
func (a *affine) neighbours(x, w *[256]float32, top int) {
	d, m := F16ToF32(a.d), F16ToF32(a.m)
	var s weightedSums
	for g := range a.sc {
		sc, mn := int(a.sc[g]), int(a.mn[g])
		best := math.Inf(1)
		for i := max(sc-1, 0); i <= min(sc+1, 63); i++ {
			for j := max(mn-1, 0); j <= min(mn+1, 63); j++ {
				step, least := d*float32(i), m*float32(j)
				s.sum((*[32]float32)(x[32*g:]), (*[32]float32)(w[32*g:]), inverse(step), least, top)
				if e := s.error(float64(step), float64(least)); e < best {
					best, a.sc[g], a.mn[g] = e, uint8(i), uint8(j)
				}
			}
		}
	}
}

// refit fits d and m to all groups' scales, minimums and levels, and says
// whether that changed them.
func (a *affine) refit(x, w *[256]float32, top int) bool {
	d, m := F16ToF32(a.d), F16ToF32(a.m)
	var A, B, C, P, Q float64
	var s weightedSums
	for g := range a.sc {
		sc, mn := float64(a.sc[g]), float64(a.mn[g])
		s.sum((*[32]float32)(x[32*g:]), (*[32]float32)(w[32*g:]), inverse(d*float32(sc)), m*float32(mn), top)
		A += float64(sc * sc * s.qq)
		B += float64(sc * mn * s.q)
		C += float64(mn * mn * s.w)
		P += float64(sc * s.xq)
		Q += float64(mn * s.x)
	}
	// d*A - m*B = P, d*B - m*C = Q
	det := float64(A*C) - float64(B*B)
	if det <= 0 {
		return false
	}
	nd := half(float32((float64(P*C) - float64(Q*B)) / det))
	nm := half(float32((float64(P*B) - float64(Q*A)) / det))
	if nd == 0 || nd&0x8000 != 0 || nm&0x8000 != 0 || nd == a.d && nm == a.m {
		return false
	}
	a.d, a.m = nd, nm
	return true
}

const (
	blockSteps  = 14 // scales tried for a block of 32
	blockRounds = 2  // of fitting levels and scale to each other, from the best
)

// weighBlock is weighScale for a block of 32, with fewer tries in float32: its
// types have no second scale to err by.
func weighBlock(x, w *[32]float32, lo, hi int) float32 {
	top := float32(0)
	for _, v := range x {
		if abs(v) > abs(top) {
			top = v
		}
	}
	if top == 0 {
		return 0
	}
	var best float64
	d := top / float32(lo)
	try := func(inv float32) bool {
		xq, qq := weighFloats(x[:], w[:], inv, lo, hi)
		if qq == 0 || xq*inv <= 0 {
			return false
		}
		fit := xq / qq
		gain := float64(xq) * float64(fit)
		if gain <= best {
			return false
		}
		best, d = gain, fit
		return true
	}
	for step := range blockSteps {
		try(float32(lo) * (1.1 - 0.35*float32(step)/(blockSteps-1)) / top)
	}
	for range blockRounds {
		if inv := inverse(d); inv-inv != 0 || !try(inv) {
			break
		}
	}
	return d
}

// weighFloats rounds x*inv to integers q within lo..hi and returns the weighted
// sums of x*q and q*q.
func weighFloats(x, w []float32, inv float32, lo, hi int) (xq, qq float32) {
	w = w[:len(x)]
	for i, v := range x {
		q := float32(int32(clamp(round(float32(v*inv)), lo, hi)))
		wq := float32(w[i] * q)
		xq += float32(wq * v)
		qq += float32(wq * q)
	}
	return xq, qq
}
