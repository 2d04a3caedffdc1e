package quant

import (
	"encoding/binary"
	"math"
)

// Q3_K packs 256 values, 16 groups of 16, in 110 bytes, 3.4375 bits a value:
//
//	0    uint1  bit k of byte i is the third bit of q[32*k+i]
//	32   uint2  the low two bits of q, as in Q2_K
//	96   uint6  sc[16] in 12 bytes
//	108  f16    d
//
//	value[g][i] = (d*(sc[g]-32)) * (q[g][i]-4)
//
// Scale g has its low four bits in byte g%8, nibble g/8, and its high two in
// byte 8+g%4 at bit 2*(g/4).

var specQ3_K = Spec{Q3_K, "q3_k", 256, 110, Signed16, 11, packQ3_K, unpackQ3_K, weighQ3_K}

func packQ3_K(dst []byte, src []float32) {
	var l low
	for len(src) >= 256 {
		l.fitQ3_K((*[256]float32)(src), nil)
		l.putQ3_K((*[110]byte)(dst))
		src, dst = src[256:], dst[110:]
	}
}

func weighQ3_K(dst []byte, f *fit) {
	var l low
	l.fitQ3_K((*[256]float32)(f.x), f.w)
	l.putQ3_K((*[110]byte)(dst))
}

// q3Steps are the levels at which the value of largest magnitude is tried.
var q3Steps = [...]float32{-4.6, -4.3, -4, -3.7, -3.4, -3.1, -2.8}

// fitQ3_K finds scales and levels, by weighted squares where w is not nil.
func (l *low) fitQ3_K(x *[256]float32, w []float32) {
	var calm [256]float32
	if !(peak(x[:]) <= mostQ3_K) {
		tame(calm[:], x[:], mostQ3_K)
		x = &calm
	}
	var scale [16]float32
	top := float32(0)
	for g := range scale {
		if v := x[16*g : 16*g+16]; w != nil {
			scale[g] = weighScale(v, w[16*g:16*g+16], -4, 3)
		} else {
			scale[g] = fitScale(v, 4, q3Steps[:])
		}
		if max(scale[g], -scale[g]) > max(top, -top) {
			top = scale[g]
		}
	}
	// The largest scale gets -32.
	l.d = halfAbove(max(top, -top) / 32)
	if top > 0 {
		l.d |= 0x8000
	}
	for range weighRounds {
		d := F16ToF32(l.d)
		var xq, qq float64
		for g := range scale {
			a, c := l.bestStep(g, x[16*g:16*g+16], weightsOf(w, g), scale[g]*inverse(d))
			xq += float64(a * float64(l.sc[g]))
			qq += float64(c * (float64(l.sc[g]) * float64(l.sc[g])))
		}
		if qq == 0 {
			break
		}
		n := half(float32(xq / qq))
		if n&0x7fff == 0 || n == l.d {
			break
		}
		l.d = n
	}
	l.m, l.mid = 0, 4
	step, _ := l.lines()
	for g := range step {
		inv := inverse(step[g])
		for i, v := range x[16*g : 16*g+16] {
			l.q[16*g+i] = uint8(clamp(round(float32(v*inv)), -4, 3) + 4)
		}
	}
}

// bestStep finds group g's scale, among those next to s, whose levels are nearest
// to x. It returns the sums of x*level and level*level.
func (l *low) bestStep(g int, x, w []float32, s float32) (xq, qq float64) {
	d, at := F16ToF32(l.d), clamp(round(s), -32, 31)
	most := math.Inf(-1)
	for i := max(at-1, -32); i <= min(at+1, 31); i++ {
		step := d * float32(i)
		inv := inverse(step)
		var a, c float64
		for j, v := range x {
			q := float64(clamp(round(float32(v*inv)), -4, 3))
			wq := q
			if w != nil {
				wq = float64(float64(w[j]) * q)
			}
			a += float64(wq * float64(v))
			c += float64(wq * q)
		}
		// The squares fall by 2*step*xq - step²*qq.
		if gain := float64(step) * (2*a - float64(float64(step)*c)); gain > most {
			most, l.sc[g], xq, qq = gain, int8(i), a, c
		}
	}
	return xq, qq
}

func (l *low) putQ3_K(b *[110]byte) {
	*b = [110]byte{}
	for i, v := range l.q {
		b[i%32] |= v >> 2 << (i / 32)
	}
	putTwos(b[32:96], &l.q)
	for g, s := range l.sc {
		v := byte(s + 32)
		b[96+g%8] |= v & 15 << (4 * (g / 8))
		b[104+g%4] |= v >> 4 << (2 * (g / 4))
	}
	binary.LittleEndian.PutUint16(b[108:], l.d)
}

func unpackQ3_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		y, b := (*[256]float32)(dst), (*[110]byte)(src)
		dst, src = dst[256:], src[110:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[108:]))
		for g := range 16 {
			sc := int(b[96+g%8]>>(4*(g/8))&15) | int(b[104+g%4]>>(2*(g/4))&3)<<4
			step := d * float32(sc-32)
			half, k, first := g/8, g%8/2, g%2*16
			for i, c := range b[32+32*half+first:][:16] {
				q := c>>(2*k)&3 | b[first+i]>>(g/2)&1<<2
				y[16*g+i] = step * float32(int(q)-4)
			}
		}
	}
}
