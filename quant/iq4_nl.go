package quant

import "encoding/binary"

// IQ4_NL packs 32 values in 18 bytes, 4.5 bits a value:
//
//	0   f16    d
//	2   uint4  q[32]: byte i holds q[i] (low nibble) and q[16+i] (high)
//
//	value[i] = d * level4[q[i]]

// level4 is the levels of IQ4_NL and IQ4_XS.
var level4 = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

var book4 = newCodebook(level4)

var specIQ4_NL = Spec{IQ4_NL, "iq4_nl", 32, 18, Signed32, 25, packIQ4_NL, unpackIQ4_NL, weighIQ4_NL}

func packIQ4_NL(dst []byte, src []float32) {
	for len(src) >= 32 {
		putIQ4_NL(dst, src[:32], nil)
		src, dst = src[32:], dst[18:]
	}
}

func weighIQ4_NL(dst []byte, f *fit) { putIQ4_NL(dst, f.x, f.w) }

func putIQ4_NL(b []byte, x, w []float32) {
	var calm [32]float32
	if !(peak(x) <= mostIQ4) {
		tame(calm[:], x, mostIQ4)
		x = calm[:]
	}
	h := half(book4.fit(x, w))
	binary.LittleEndian.PutUint16(b, h)
	book4.put(b[2:], x, F16ToF32(h))
}

func unpackIQ4_NL(dst []float32, src []byte) {
	for len(dst) >= 32 {
		d := F16ToF32(binary.LittleEndian.Uint16(src))
		unpackCodes(dst[:32], src[2:18], d, &level4)
		dst, src = dst[32:], src[18:]
	}
}
