package quant

import "encoding/binary"

// Q5_0 packs 32 values in 22 bytes, 5.5 bits a value:
//
//	0   f16    d
//	2   uint1  bit i is the fifth bit of q[i]
//	6   uint4  q[32]: byte i holds q[i] (low nibble) and q[16+i] (high)
//
//	value[i] = (q[i] - 16) * d
//
// d may be negative: the side with the larger peak gets the level -16.

var q5_0Steps = [...]float32{-16.6, -16.2, -15.8, -15.4, -15, -14.6}

var specQ5_0 = Spec{Q5_0, "q5_0", 32, 22, Signed32, 8, packQ5_0, unpackQ5_0, weighQ5_0}

func packQ5_0(dst []byte, src []float32) {
	for len(src) >= 32 {
		x, b := (*[32]float32)(src), (*[22]byte)(dst)
		src, dst = src[32:], dst[22:]
		var calm [32]float32
		if !(peak(x[:]) <= mostQ5_0) {
			tame(calm[:], x[:], mostQ5_0)
			x = &calm
		}
		putQ5_0(b, x, half(fitScale(x[:], 16, q5_0Steps[:])))
	}
}

func weighQ5_0(dst []byte, f *fit) {
	putQ5_0((*[22]byte)(dst), (*[32]float32)(f.x), half(weighScale(f.x, f.w, -16, 15)))
}

func putQ5_0(b *[22]byte, x *[32]float32, d uint16) {
	binary.LittleEndian.PutUint16(b[:], d)
	inv := inverse(F16ToF32(d))
	var q [32]uint8
	for i, v := range x {
		q[i] = uint8(clamp(round(float32(v*inv)), -16, 15) + 16)
	}
	putFives(b[2:6], b[6:], &q)
}

// putFives writes 32 levels of five bits: the fifth ones to high, the rest to
// the nibbles of low.
func putFives(high, low []byte, q *[32]uint8) {
	var h uint32
	for i, v := range q {
		h |= uint32(v>>4) << i
	}
	binary.LittleEndian.PutUint32(high, h)
	putNibbles(low, q)
}

// putNibbles writes the low four bits of 32 levels to 16 bytes.
func putNibbles(low []byte, q *[32]uint8) {
	for i := range 16 {
		low[i] = q[i]&15 | q[16+i]<<4
	}
}

func unpackQ5_0(dst []float32, src []byte) {
	for len(dst) >= 32 {
		y, b := (*[32]float32)(dst), (*[22]byte)(src)
		dst, src = dst[32:], src[22:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[:]))
		h := binary.LittleEndian.Uint32(b[2:])
		for i, c := range b[6:] {
			y[i] = d * (number[uint32(c)&15|h>>i&1<<4] - 16)
			y[16+i] = d * (number[uint32(c)>>4|h>>(16+i)&1<<4] - 16)
		}
	}
}
