package quant

import "encoding/binary"

// Q4_K packs 256 values, 8 groups of 32, in 144 bytes, 4.5 bits a value:
//
//	0    f16    d
//	2    f16    dmin
//	4    uint6  sc[8], mn[8] in 12 bytes (scales.go)
//	16   uint4  q[256]: byte 32*p+i holds group 2p's q[i] (low nibble)
//	            and group 2p+1's (high)
//
//	value[g][i] = (d*sc[g]) * q[g][i] - dmin*mn[g]

var specQ4_K = Spec{Q4_K, "q4_k", 256, 144, Offset32, 14, packQ4_K, unpackQ4_K, weighQ4_K}

func packQ4_K(dst []byte, src []float32) {
	var a affine
	for len(src) >= 256 {
		a.fit((*[256]float32)(src), 15)
		a.putQ4_K((*[144]byte)(dst))
		src, dst = src[256:], dst[144:]
	}
}

func weighQ4_K(dst []byte, f *fit) {
	var a affine
	a.weigh(f, 15)
	a.putQ4_K((*[144]byte)(dst))
}

func (a *affine) putQ4_K(b *[144]byte) {
	a.head((*[16]byte)(b[:]))
	for p := range 4 {
		q := (*[64]uint8)(a.q[64*p:])
		o := (*[32]byte)(b[16+32*p:])
		for i := range o {
			o[i] = q[i] | q[32+i]<<4
		}
	}
}

func unpackQ4_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		y, b := (*[256]float32)(dst), (*[144]byte)(src)
		dst, src = dst[256:], src[144:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[0:]))
		m := F16ToF32(binary.LittleEndian.Uint16(b[2:]))
		sc, mn := sixes((*[12]byte)(b[4:]))
		for p := range 4 {
			lo := levels16(d*float32(sc[2*p]), m*float32(mn[2*p]))
			hi := levels16(d*float32(sc[2*p+1]), m*float32(mn[2*p+1]))
			q := (*[32]byte)(b[16+32*p:])
			o := (*[64]float32)(y[64*p:])
			for i, c := range q {
				o[i] = lo[c&15]
				o[32+i] = hi[c>>4]
			}
		}
	}
}

// levels16 tabulates d*q - m for the 16 nibbles.
func levels16(d, m float32) (t [16]float32) {
	for q := range t {
		t[q] = float32(d*float32(q)) - m
	}
	return t
}
