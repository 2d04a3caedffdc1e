package quant

import (
	"encoding/binary"
	"math"
)

// Q2_K packs 256 values, 16 groups of 16, in 84 bytes, 2.625 bits a value:
//
//	0    uint4  byte g holds sc[g] (low nibble) and mn[g] (high)
//	16   uint2  q[256]
//	80   f16    d
//	82   f16    dmin
//
//	value[g][i] = (d*sc[g]) * q[g][i] - dmin*mn[g]
//
// Each half of 128 values has 32 bytes of q: value 32*k+i of a half lies in
// byte i at bit 2*k.

var specQ2_K = Spec{Q2_K, "q2_k", 256, 84, Offset16, 10, packQ2_K, unpackQ2_K, weighQ2_K}

func packQ2_K(dst []byte, src []float32) {
	var l low
	for len(src) >= 256 {
		l.fitQ2_K((*[256]float32)(src), nil)
		l.putQ2_K((*[84]byte)(dst))
		src, dst = src[256:], dst[84:]
	}
}

func weighQ2_K(dst []byte, f *fit) {
	var l low
	l.fitQ2_K((*[256]float32)(f.x), f.w)
	l.putQ2_K((*[84]byte)(dst))
}

// fitQ2_K finds scales, minimums and levels, by weighted squares where w is not nil.
func (l *low) fitQ2_K(x *[256]float32, w []float32) {
	var calm [256]float32
	if !(peak(x[:]) <= mostQ2_K) {
		tame(calm[:], x[:], mostQ2_K)
		x = &calm
	}
	var scale, least [16]float32
	var topScale, topLeast float32
	for g := range scale {
		scale[g], least[g] = fitLine(x[16*g:16*g+16], weightsOf(w, g), 3, false)
		topScale, topLeast = max(topScale, scale[g]), max(topLeast, least[g])
	}
	l.d, l.m, l.mid = halfAbove(topScale/15), halfAbove(topLeast/15), 0
	for range lineRounds {
		d, m := F16ToF32(l.d), F16ToF32(l.m)
		var A, B, C, P, Q float64
		for g := range scale {
			s := l.bestPair(g, x[16*g:16*g+16], weightsOf(w, g), scale[g]*inverse(d), least[g]*inverse(m))
			fs, fm := float64(l.sc[g]), float64(l.mn[g])
			A += float64(fs * fs * s.qq)
			B += float64(fs * fm * s.q)
			C += float64(fm * fm * s.n)
			P += float64(fs * s.xq)
			Q += float64(fm * s.x)
		}
		// d*A - m*B = P, d*B - m*C = Q
		det := float64(A*C) - float64(B*B)
		if det <= 0 {
			break
		}
		nd, nm := half(float32((float64(P*C)-float64(Q*B))/det)), half(float32((float64(P*B)-float64(Q*A))/det))
		if nd == 0 || nd&0x8000 != 0 || nm&0x8000 != 0 || nd == l.d && nm == l.m {
			break
		}
		l.d, l.m = nd, nm
	}
	step, minimum := l.lines()
	for g := range step {
		inv := inverse(step[g])
		for i, v := range x[16*g : 16*g+16] {
			l.q[16*g+i] = uint8(clamp(round(float32((v+minimum[g])*inv)), 0, 3))
		}
	}
}

// bestPair finds group g's scale and minimum, among those next to what s and m
// say, whose levels are nearest to x. It returns their sums.
func (l *low) bestPair(g int, x, w []float32, s, m float32) (best line) {
	d, least := F16ToF32(l.d), F16ToF32(l.m)
	si, mi := clamp(round(s), 0, 15), clamp(round(m), 0, 15)
	lowest := math.Inf(1)
	sums := newLine(x, w)
	for i := max(si-1, 0); i <= min(si+1, 15); i++ {
		for j := max(mi-1, 0); j <= min(mi+1, 15); j++ {
			step, c := d*float32(i), least*float32(j)
			sums.levels(x, w, inverse(step), c, 3)
			if cost := sums.cost(float64(step), float64(c)); cost < lowest {
				lowest, best = cost, sums
				l.sc[g], l.mn[g] = int8(i), uint8(j)
			}
		}
	}
	return best
}

func (l *low) putQ2_K(b *[84]byte) {
	for g := range l.sc {
		b[g] = byte(l.sc[g]) | l.mn[g]<<4
	}
	putTwos(b[16:80], &l.q)
	binary.LittleEndian.PutUint16(b[80:], l.d)
	binary.LittleEndian.PutUint16(b[82:], l.m)
}

func unpackQ2_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		y, b := (*[256]float32)(dst), (*[84]byte)(src)
		dst, src = dst[256:], src[84:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[80:]))
		m := F16ToF32(binary.LittleEndian.Uint16(b[82:]))
		for g := range 16 {
			step, least := d*float32(b[g]&15), m*float32(b[g]>>4)
			var level [4]float32
			for q := range level {
				level[q] = float32(step*float32(q)) - least
			}
			half, k, first := g/8, g%8/2, g%2*16
			for i, c := range b[16+32*half+first:][:16] {
				y[16*g+i] = level[c>>(2*k)&3]
			}
		}
	}
}
