package quant

import "encoding/binary"

// Q8_0 packs 32 values in 34 bytes, 8.5 bits a value:
//
//	0   f16   d
//	2   int8  q[32]
//
//	value[i] = q[i] * d
//
// d is the row's peak over 127, or less where weights call for it. q stays
// within -127..127.

var specQ8_0 = Spec{Q8_0, "q8_0", 32, 34, Signed32, 7, packQ8_0, unpackQ8_0, weighQ8_0}

func packQ8_0(dst []byte, src []float32) {
	for len(src) >= 32 {
		x, b := (*[32]float32)(src), (*[34]byte)(dst)
		src, dst = src[32:], dst[34:]
		var calm [32]float32
		if !(peak(x[:]) <= mostQ8_0) {
			tame(calm[:], x[:], mostQ8_0)
			x = &calm
		}
		putQ8_0(b, x, halfAbove(peak(x[:])/127))
	}
}

func weighQ8_0(dst []byte, f *fit) {
	d := weighBlock((*[32]float32)(f.x), (*[32]float32)(f.w), -127, 127)
	putQ8_0((*[34]byte)(dst), (*[32]float32)(f.x), half(max(d, -d)))
}

func putQ8_0(b *[34]byte, x *[32]float32, d uint16) {
	binary.LittleEndian.PutUint16(b[:], d)
	inv := inverse(F16ToF32(d))
	for i, v := range x {
		b[2+i] = byte(clamp(round(float32(v*inv)), -127, 127))
	}
}

func unpackQ8_0(dst []float32, src []byte) {
	for len(dst) >= 32 {
		y, b := (*[32]float32)(dst), (*[34]byte)(src)
		dst, src = dst[32:], src[34:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		for i := range y {
			y[i] = float32(int8(b[2+i])) * d
		}
	}
}
