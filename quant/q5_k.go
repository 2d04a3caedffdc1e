package quant

import "encoding/binary"

// Q5_K packs 256 values, 8 groups of 32, in 176 bytes, 5.5 bits a value:
//
//	0    f16    d
//	2    f16    dmin
//	4    uint6  sc[8], mn[8] in 12 bytes (scales.go)
//	16   uint1  bit g of byte i is the fifth bit of group g's q[i]
//	48   uint4  the low four bits, as in Q4_K
//
//	value[g][i] = (d*sc[g]) * q[g][i] - dmin*mn[g]

var specQ5_K = Spec{Q5_K, "q5_k", 256, 176, Offset32, 16, packQ5_K, unpackQ5_K, weighQ5_K}

func packQ5_K(dst []byte, src []float32) {
	var a affine
	for len(src) >= 256 {
		a.fit((*[256]float32)(src), 31)
		a.putQ5_K((*[176]byte)(dst))
		src, dst = src[256:], dst[176:]
	}
}

func weighQ5_K(dst []byte, f *fit) {
	var a affine
	a.weigh(f, 31)
	a.putQ5_K((*[176]byte)(dst))
}

func (a *affine) putQ5_K(b *[176]byte) {
	a.head((*[16]byte)(b[:]))
	h := (*[32]byte)(b[16:])
	*h = [32]byte{}
	for p := range 4 {
		q := (*[64]uint8)(a.q[64*p:])
		o := (*[32]byte)(b[48+32*p:])
		for i := range o {
			o[i] = q[i]&15 | q[32+i]<<4
			h[i] |= (q[i]>>4 | q[32+i]>>4<<1) << (2 * p)
		}
	}
}

func unpackQ5_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		y, b := (*[256]float32)(dst), (*[176]byte)(src)
		dst, src = dst[256:], src[176:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[0:]))
		m := F16ToF32(binary.LittleEndian.Uint16(b[2:]))
		sc, mn := sixes((*[12]byte)(b[4:]))
		h := (*[32]byte)(b[16:])
		for p := range 4 {
			dlo, mlo := d*float32(sc[2*p]), m*float32(mn[2*p])
			dhi, mhi := d*float32(sc[2*p+1]), m*float32(mn[2*p+1])
			q := (*[32]byte)(b[48+32*p:])
			o := (*[64]float32)(y[64*p:])
			for i, c := range q {
				t := h[i] >> (2 * p)
				o[i] = float32(dlo*number[c&15|t&1<<4]) - mlo
				o[32+i] = float32(dhi*number[c>>4|t&2<<3]) - mhi
			}
		}
	}
}
