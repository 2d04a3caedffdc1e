package quant

import "encoding/binary"

// Q8_0 packs 32 values in 34 bytes, 8.5 bits a value:
//
//	0   f16   d
//	2   int8  q[32]
//
//	value[i] = q[i] * d
//
// d is the row's peak over 127, so q stays within -127..127.

func packQ8_0(dst []byte, src []float32) {
	for len(src) >= 32 {
		x, b := (*[32]float32)(src), (*[34]byte)(dst)
		src, dst = src[32:], dst[34:]
		var calm [32]float32
		if !(peak(x[:]) <= mostQ8_0) {
			tame(calm[:], x[:], mostQ8_0)
			x = &calm
		}
		h := halfAbove(peak(x[:]) / 127)
		binary.LittleEndian.PutUint16(b[:], h)
		inv := inverse(F16ToF32(h))
		for i, v := range x {
			b[2+i] = byte(clamp(round(float32(v*inv)), -127, 127))
		}
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
