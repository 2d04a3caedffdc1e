package quant

import "encoding/binary"

// Q5_1 packs 32 values in 24 bytes, 6 bits a value:
//
//	0   f16    d
//	2   f16    m
//	4   uint1  bit i is the fifth bit of q[i]
//	8   uint4  q[32]: byte i holds q[i] (low nibble) and q[16+i] (high)
//
//	value[i] = d * q[i] + m

var specQ5_1 = Spec{Q5_1, "q5_1", 32, 24, Offset32, 9, packQ5_1, unpackQ5_1, weighQ5_1}

func packQ5_1(dst []byte, src []float32) {
	for len(src) >= 32 {
		packLine(dst[:24], (*[32]float32)(src), nil, 31)
		src, dst = src[32:], dst[24:]
	}
}

func weighQ5_1(dst []byte, f *fit) { packLine(dst, (*[32]float32)(f.x), f.w, 31) }

func unpackQ5_1(dst []float32, src []byte) {
	for len(dst) >= 32 {
		y, b := (*[32]float32)(dst), (*[24]byte)(src)
		dst, src = dst[32:], src[24:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[0:]))
		m := F16ToF32(binary.LittleEndian.Uint16(b[2:]))
		h := binary.LittleEndian.Uint32(b[4:])
		for i, c := range b[8:] {
			y[i] = float32(d*number[uint32(c)&15|h>>i&1<<4]) + m
			y[16+i] = float32(d*number[uint32(c)>>4|h>>(16+i)&1<<4]) + m
		}
	}
}
