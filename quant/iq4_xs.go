package quant

import "encoding/binary"

// IQ4_XS packs 256 values, 8 groups of 32, in 136 bytes, 4.25 bits a value:
//
//	0   f16    d
//	2   uint2  the high two bits of sc[8]
//	4   uint4  the low four bits of sc[8]
//	8   uint4  q[256]: 16 bytes a group, as in IQ4_NL
//
//	value[g][i] = (d*(sc[g]-32)) * level4[q[g][i]]

var specIQ4_XS = Spec{IQ4_XS, "iq4_xs", 256, 136, Signed32, 30, packIQ4_XS, unpackIQ4_XS, weighIQ4_XS}

func packIQ4_XS(dst []byte, src []float32) {
	for len(src) >= 256 {
		putIQ4_XS((*[136]byte)(dst), src[:256], nil)
		src, dst = src[256:], dst[136:]
	}
}

func weighIQ4_XS(dst []byte, f *fit) { putIQ4_XS((*[136]byte)(dst), f.x, f.w) }

func putIQ4_XS(b *[136]byte, x, w []float32) {
	var calm [256]float32
	if !(peak(x) <= mostIQ4XS) {
		tame(calm[:], x, mostIQ4XS)
		x = calm[:]
	}
	group := func(v []float32, g int) []float32 {
		if v == nil {
			return nil
		}
		return v[32*g : 32*g+32]
	}
	var scale [8]float32
	top := float32(0)
	for g := range scale {
		scale[g] = book4.fit(group(x, g), group(w, g))
		if max(scale[g], -scale[g]) > max(top, -top) {
			top = scale[g]
		}
	}
	// The largest scale gets -32.
	h := halfAbove(max(top, -top) / 32)
	if top > 0 {
		h |= 0x8000
	}
	d := F16ToF32(h)
	var sc [8]int
	var xq, qq float64
	for g := range scale {
		sc[g] = clamp(round(float32(scale[g]*inverse(d))), -32, 31)
		step := d * float32(sc[g])
		if step == 0 {
			continue
		}
		a, c := book4.sums(group(x, g), group(w, g), inverse(step))
		xq += float64(a * float64(sc[g]))
		qq += float64(c * float64(sc[g]*sc[g]))
	}
	if qq > 0 {
		if n := half(float32(xq / qq)); n&0x7fff != 0 {
			h, d = n, F16ToF32(n)
		}
	}
	*b = [136]byte{}
	binary.LittleEndian.PutUint16(b[:], h)
	var high uint16
	for g, s := range sc {
		high |= uint16((s+32)>>4) << (2 * g)
		b[4+g/2] |= byte((s+32)&15) << (4 * (g % 2))
		book4.put(b[8+16*g:8+16*g+16], x[32*g:32*g+32], d*float32(s))
	}
	binary.LittleEndian.PutUint16(b[2:], high)
}

func unpackIQ4_XS(dst []float32, src []byte) {
	for len(dst) >= 256 {
		y, b := (*[256]float32)(dst), (*[136]byte)(src)
		dst, src = dst[256:], src[136:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		high := binary.LittleEndian.Uint16(b[2:])
		for g := range 8 {
			sc := int(b[4+g/2]>>(4*(g%2))&15) | int(high>>(2*g)&3)<<4
			unpackCodes(y[32*g:32*g+32], b[8+16*g:8+16*g+16], d*float32(sc-32), &level4)
		}
	}
}
