package quant

import (
	"encoding/binary"
	"math"
)

// The largest magnitudes that a block can hold on either side of zero, with the
// largest half as its scale. Larger values, infinities and NaN are tamed first,
// so that fits stay within the range of blocks.
const (
	mostQ4_0   = 7 * maxF16
	mostQ8_0   = 127 * maxF16
	mostScaled = 127 * 31 * maxF16
	mostAffine = 63 * maxF16 // the largest minimum
	mostQ5_0   = 15 * maxF16
	mostQ3_K   = 31 * 3 * maxF16
	mostQ2_K   = 15 * maxF16 // the largest minimum
	mostIQ4    = 113 * maxF16
	mostIQ4XS  = 31 * 113 * maxF16
	mostMXFP4  = 0x1p124 * 12
)

// peak is the largest magnitude of x; NaN counts as larger than infinity.
func peak(x []float32) float32 {
	var m uint32
	for _, v := range x {
		m = max(m, math.Float32bits(v)&0x7fffffff)
	}
	return math.Float32frombits(m)
}

// tame copies src to dst with NaN made zero and the rest within most.
func tame(dst, src []float32, most float32) {
	for i, v := range src {
		if v != v {
			v = 0
		}
		dst[i] = min(max(v, -most), most)
	}
}

// round is the integer nearest to v, ties to even. For a v without one, it is
// some integer of v's sign that is too large for any clamp.
func round(v float32) int {
	const magic = 0x1.8p23 // here a float32's ulp is one
	return int(int32(math.Float32bits(v+magic))) - 0x4b400000
}

func clamp(v, lo, hi int) int { return min(max(v, lo), hi) }

// half is the half nearest to v among the finite ones.
func half(v float32) uint16 { return F32ToF16(min(max(v, -maxF16), maxF16)) }

// halfAbove is half for a scale v >= 0. It does not come out much too small, as
// half could among subnormals.
func halfAbove(v float32) uint16 {
	h := half(v)
	if h < 0x0400 && F16ToF32(h) < v {
		h++
	}
	return h
}

// inverse is 1/d, and zero for zero.
func inverse(d float32) float32 {
	if d == 0 {
		return 0
	}
	return 1 / d
}

// The levels at which the value of largest magnitude is tried; for Q4_K and
// Q5_K, how far beyond the last level.
var (
	q4_0Steps = [...]float32{-8.6, -8.2, -7.8, -7.4, -7, -6.6}
	q6Steps   = [...]float32{-32.6, -32.2, -31.8, -31.4, -31, -30.6, -30.2}
	kSteps    = [...]float32{-1, -0.5, 0, 0.5}
)

// fitScale is the d for which d*q, q within -n..n-1, comes nearest to x by
// squares. It puts the value of largest magnitude at each of several levels,
// and refits d to the resulting integers.
func fitScale(x []float32, n int, steps []float32) float32 {
	top := float32(0)
	for _, v := range x {
		if math.Float32bits(v)&0x7fffffff > math.Float32bits(top)&0x7fffffff {
			top = v
		}
	}
	if top == 0 {
		return 0
	}
	best, d := float32(0), top/float32(-n)
	for _, s := range steps {
		xq, qq := correlate(x, s/top, n)
		if qq == 0 {
			continue
		}
		if gain := float32(xq*xq) / float32(qq); gain > best {
			best, d = gain, xq/float32(qq)
		}
	}
	return d
}

// correlate rounds x*inv to integers q within -n..n-1 and returns sum(x*q)
// and sum(q*q).
func correlate(x []float32, inv float32, n int) (xq float32, qq int) {
	var s0, s1 float32
	for len(x) >= 2 {
		q0 := clamp(round(float32(x[0]*inv)), -n, n-1)
		q1 := clamp(round(float32(x[1]*inv)), -n, n-1)
		s0 += float32(x[0] * float32(int32(q0)))
		s1 += float32(x[1] * float32(int32(q1)))
		qq += q0*q0 + q1*q1
		x = x[2:]
	}
	return s0 + s1, qq
}

// scaled is a block of 16 groups of 16 values, each d*sc*q: Q6_K.
type scaled struct {
	d  uint16
	sc [16]int8
	q  [256]uint8 // q+32
}

// fit finds scales and levels: each group's own best scale, rounded to the
// block's eight bits, and d refitted for the whole block.
func (s *scaled) fit(x *[256]float32) {
	var calm [256]float32
	if !(peak(x[:]) <= mostScaled) {
		tame(calm[:], x[:], mostScaled)
		x = &calm
	}
	var scale [16]float32
	top := float32(0)
	for g := range scale {
		scale[g] = fitScale(x[16*g:16*g+16], 32, q6Steps[:])
		if max(scale[g], -scale[g]) > max(top, -top) {
			top = scale[g]
		}
	}
	// The largest scale gets -128.
	h := halfAbove(max(top, -top) / 128)
	if top > 0 {
		h |= 0x8000
	}
	d := F16ToF32(h)
	inv := inverse(d)
	var xq, qq float32
	for g := range scale {
		sc := clamp(round(float32(scale[g]*inv)), -128, 127)
		s.sc[g] = int8(sc)
		step := d * float32(sc)
		a, b := correlate(x[16*g:16*g+16], inverse(step), 32)
		xq += float32(a * float32(sc))
		qq += float32(b * sc * sc)
	}
	if qq > 0 {
		h = half(xq / qq)
		if h&0x7fff != 0 {
			d = F16ToF32(h)
		}
	}
	s.d = F32ToF16(d)
	for g, sc := range s.sc {
		inv := inverse(d * float32(sc))
		v, q := (*[16]float32)(x[16*g:]), (*[16]uint8)(s.q[16*g:])
		for i := range v {
			q[i] = uint8(clamp(round(float32(v[i]*inv)), -32, 31) + 32)
		}
	}
}

// affine is a block of 8 groups of 32 values, each d*sc*q - m*mn: Q4_K, Q5_K.
type affine struct {
	d, m   uint16
	sc, mn [8]uint8
	q      [256]uint8
}

// head writes the 16 bytes that Q4_K and Q5_K begin with.
func (a *affine) head(b *[16]byte) {
	binary.LittleEndian.PutUint16(b[0:], a.d)
	binary.LittleEndian.PutUint16(b[2:], a.m)
	putSixes((*[12]byte)(b[4:]), &a.sc, &a.mn)
}

// sums are the sums for a least-squares fit of d*q - m to 32 values.
type sums struct{ x, q, qq, xq float32 }

// sum rounds (x+m)*inv to integers q within 0..top and sums them.
func (s *sums) sum(x *[32]float32, inv, m float32, top int) {
	var a0, a1 float32
	var n, nn int
	for i := 0; i < 32; i += 2 {
		q0 := clamp(round(float32((x[i]+m)*inv)), 0, top)
		q1 := clamp(round(float32((x[i+1]+m)*inv)), 0, top)
		a0 += float32(x[i] * float32(int32(q0)))
		a1 += float32(x[i+1] * float32(int32(q1)))
		n += q0 + q1
		nn += q0*q0 + q1*q1
	}
	s.q, s.qq, s.xq = float32(n), float32(nn), a0+a1
}

// solve returns the best d and m >= 0, and how far they lessen the sum of
// squares.
func (s *sums) solve() (d, m, gain float32) {
	if det := float32(32*s.qq) - float32(s.q*s.q); det > 0 {
		d = (float32(32*s.xq) - float32(s.x*s.q)) / det
		m = (float32(d*s.q) - s.x) / 32
	}
	if d <= 0 || m < 0 {
		m = 0
		if s.qq > 0 {
			d = s.xq / s.qq
		}
		if d <= 0 {
			return 0, max(-s.x/32, 0), 0
		}
	}
	return d, m, float32(d*s.xq) - float32(m*s.x)
}

// fit finds scales and levels. top is the highest level. Each group gets its
// own best line. Then the scales are rounded to six bits, the minimums fitted
// to those, and d and m refitted for the whole block.
func (a *affine) fit(x *[256]float32, top int) {
	var calm [256]float32
	if !(peak(x[:]) <= mostAffine) {
		tame(calm[:], x[:], mostAffine)
		x = &calm
	}
	var stat [8]sums
	var scale, least [8]float32
	var topScale, topLeast float32
	for g := range stat {
		v := (*[32]float32)(x[32*g:])
		lo, hi := v[0], v[0]
		sum := float32(0)
		for _, w := range v {
			if w < lo {
				lo = w
			}
			if w > hi {
				hi = w
			}
			sum += w
		}
		lo = min(lo, 0)
		t := &stat[g]
		t.x = sum
		if hi > lo {
			best := float32(-1)
			c := sums{x: sum}
			for _, s := range kSteps {
				c.sum(v, (float32(top)+s)/(hi-lo), -lo, top)
				d, m, gain := c.solve()
				if gain > best {
					best, scale[g], least[g], *t = gain, d, m, c
				}
			}
		} else {
			scale[g], least[g] = 0, -lo
		}
		topScale, topLeast = max(topScale, scale[g]), max(topLeast, least[g])
	}
	a.d, a.m = halfAbove(topScale/63), halfAbove(topLeast/63)
	d, m := F16ToF32(a.d), F16ToF32(a.m)
	di, mi := inverse(d), inverse(m)
	var A, B, C, P, Q float32
	for g := range stat {
		t := &stat[g]
		sc := clamp(round(float32(scale[g]*di)), 0, 63)
		step := d * float32(sc)
		mn := clamp(round(float32((float32(step*t.q)-t.x)/32*mi)), 0, 63)
		a.sc[g], a.mn[g] = uint8(sc), uint8(mn)
		t.sum((*[32]float32)(x[32*g:]), inverse(step), m*float32(mn), top)
		fs, fm := float32(sc), float32(mn)
		A += float32(fs * fs * t.qq)
		B += float32(fs * fm * t.q)
		C += float32(fm * fm * 32)
		P += float32(fs * t.xq)
		Q += float32(fm * t.x)
	}
	// d*A - m*B = P, d*B - m*C = Q
	if det := float32(A*C) - float32(B*B); det > 0 {
		nd := (float32(P*C) - float32(Q*B)) / det
		nm := (float32(P*B) - float32(Q*A)) / det
		if nd > 0 && nm >= 0 && half(nd) > 0 {
			a.d, a.m = half(nd), half(nm)
			d, m = F16ToF32(a.d), F16ToF32(a.m)
		}
	}
	for g := range stat {
		v, q := (*[32]float32)(x[32*g:]), (*[32]uint8)(a.q[32*g:])
		inv, min := inverse(d*float32(a.sc[g])), m*float32(a.mn[g])
		for i := range v {
			q[i] = uint8(clamp(round(float32((v[i]+min)*inv)), 0, top))
		}
	}
}
