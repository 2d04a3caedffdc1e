package quant

import "encoding/binary"

// Q6_K packs 256 values, 16 groups of 16, in 210 bytes, 6.5625 bits a value:
//
//	0    uint4  the low four bits of q+32
//	128  uint2  the high two bits
//	192  int8   sc[16]
//	208  f16    d
//
//	value[g][i] = (d*sc[g]) * q[g][i], q within -32..31
//
// Each half of 128 values has 64 bytes of low bits and 32 of high ones. Value
// 32*k+i of a half has its low bits in byte 32*(k%2)+i, nibble k/2, and its
// high bits in byte i at bit 2*k.

var specQ6_K = Spec{Q6_K, "q6_k", 256, 210, Signed16, 18, packQ6_K, unpackQ6_K, weighQ6_K}

func packQ6_K(dst []byte, src []float32) {
	var s scaled
	for len(src) >= 256 {
		s.fit((*[256]float32)(src))
		s.put((*[210]byte)(dst))
		src, dst = src[256:], dst[210:]
	}
}

func weighQ6_K(dst []byte, f *fit) {
	var s scaled
	s.weigh(f)
	s.put((*[210]byte)(dst))
}

func (s *scaled) put(b *[210]byte) {
	for half := range 2 {
		q := (*[128]uint8)(s.q[128*half:])
		lo := (*[64]byte)(b[64*half:])
		hi := (*[32]byte)(b[128+32*half:])
		for i := range hi {
			q0, q1, q2, q3 := q[i], q[32+i], q[64+i], q[96+i]
			lo[i] = q0&15 | q2<<4
			lo[32+i] = q1&15 | q3<<4
			hi[i] = q0>>4 | q1>>4<<2 | q2>>4<<4 | q3>>4<<6
		}
	}
	for g, v := range s.sc {
		b[192+g] = byte(v)
	}
	binary.LittleEndian.PutUint16(b[208:], s.d)
}

func unpackQ6_K(dst []float32, src []byte) {
	for len(dst) >= 256 {
		y, b := (*[256]float32)(dst), (*[210]byte)(src)
		dst, src = dst[256:], src[210:]
		d := F16ToF32(binary.LittleEndian.Uint16(b[208:]))
		for half := range 2 {
			sc := (*[8]byte)(b[192+8*half:])
			for part := range 2 { // the 16 columns that share their scales
				lo := (*[48]byte)(b[64*half+16*part:])
				hi := (*[16]byte)(b[128+32*half+16*part:])
				o := (*[112]float32)(y[128*half+16*part:])
				d0 := d * float32(int8(sc[part]))
				d1 := d * float32(int8(sc[2+part]))
				d2 := d * float32(int8(sc[4+part]))
				d3 := d * float32(int8(sc[6+part]))
				for i, h := range hi {
					l, k := lo[i], lo[32+i]
					o[i] = d0 * number6[l&15|h&3<<4]
					o[32+i] = d1 * number6[k&15|h>>2&3<<4]
					o[64+i] = d2 * number6[l>>4|h>>4&3<<4]
					o[96+i] = d3 * number6[k>>4|h>>6<<4]
				}
			}
		}
	}
}
