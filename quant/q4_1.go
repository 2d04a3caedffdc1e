package quant

import "encoding/binary"

// Q4_1 packs 32 values in 20 bytes, 5 bits a value:
//
//	0   f16    d
//	2   f16    m
//	4   uint4  q[32]: byte i holds q[i] (low nibble) and q[16+i] (high)
//
//	value[i] = d * q[i] + m

var specQ4_1 = Spec{Q4_1, "q4_1", 32, 20, Offset32, 3, packQ4_1, unpackQ4_1, weighQ4_1}

func packQ4_1(dst []byte, src []float32) {
	for len(src) >= 32 {
		packLine(dst[:20], (*[32]float32)(src), nil, 15)
		src, dst = src[32:], dst[20:]
	}
}

func weighQ4_1(dst []byte, f *fit) { packLine(dst, (*[32]float32)(f.x), f.w, 15) }

// packLine writes a block of Q4_1 (top 15) or Q5_1 (top 31) that is nearest to
// x by squares, weighted where w is not nil.
func packLine(b []byte, x *[32]float32, w []float32, top int) {
	var calm [32]float32
	if !(peak(x[:]) <= maxF16) {
		tame(calm[:], x[:], maxF16)
		x = &calm
	}
	d, least := fitLine(x[:], w, top, true)
	dh, mh := halfAbove(d), half(-least)
	binary.LittleEndian.PutUint16(b[0:], dh)
	binary.LittleEndian.PutUint16(b[2:], mh)
	inv, m := inverse(F16ToF32(dh)), F16ToF32(mh)
	var q [32]uint8
	for i, v := range x {
		q[i] = uint8(clamp(round(float32((v-m)*inv)), 0, top))
	}
	if top == 15 {
		putNibbles(b[4:], &q)
	} else {
		putFives(b[4:8], b[8:], &q)
	}
}

func unpackQ4_1(dst []float32, src []byte) {
	for len(dst) >= 32 {
		y, b := (*[32]float32)(dst), (*[20]byte)(src)
		dst, src = dst[32:], src[20:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[0:]))
		m := F16ToF32(binary.LittleEndian.Uint16(b[2:]))
		level := levels16(d, -m)
		for i, c := range b[4:] {
			y[i] = level[c&15]
			y[16+i] = level[c>>4]
		}
	}
}
