package quant

import "encoding/binary"

// Q4_0 packs 32 values in 18 bytes, 4.5 bits a value:
//
//	0   f16    d
//	2   uint4  q[32]: byte i holds q[i] (low nibble) and q[16+i] (high)
//
//	value[i] = (q[i] - 8) * d
//
// d may be negative: the side with the larger peak gets the level -8.

var specQ4_0 = Spec{Q4_0, "q4_0", 32, 18, Signed32, 2, packQ4_0, unpackQ4_0, weighQ4_0}

func packQ4_0(dst []byte, src []float32) {
	for len(src) >= 32 {
		x, b := (*[32]float32)(src), (*[18]byte)(dst)
		src, dst = src[32:], dst[18:]
		var calm [32]float32
		if !(peak(x[:]) <= mostQ4_0) {
			tame(calm[:], x[:], mostQ4_0)
			x = &calm
		}
		putQ4_0(b, x, half(fitScale(x[:], 8, q4_0Steps[:])))
	}
}

func weighQ4_0(dst []byte, f *fit) {
	putQ4_0((*[18]byte)(dst), (*[32]float32)(f.x), half(weighBlock((*[32]float32)(f.x), (*[32]float32)(f.w), -8, 7)))
}

func putQ4_0(b *[18]byte, x *[32]float32, d uint16) {
	binary.LittleEndian.PutUint16(b[:], d)
	inv := inverse(F16ToF32(d))
	for i := range 16 {
		lo := clamp(round(float32(x[i]*inv)), -8, 7) + 8
		hi := clamp(round(float32(x[16+i]*inv)), -8, 7) + 8
		b[2+i] = byte(lo | hi<<4)
	}
}

func unpackQ4_0(dst []float32, src []byte) {
	for len(dst) >= 32 {
		y, b := (*[32]float32)(dst), (*[18]byte)(src)
		dst, src = dst[32:], src[18:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		var level [16]float32 // the value of each nibble
		for q := range level {
			level[q] = float32(q-8) * d
		}
		for i, c := range b[2:] {
			y[i] = level[c&15]
			y[16+i] = level[c>>4]
		}
	}
}
