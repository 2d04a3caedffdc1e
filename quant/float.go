package quant

import (
	"encoding/binary"
	"math"
)

// maxF16 is the largest finite half; scales are clamped to it.
const maxF16 = 65504

// F16ToF32 widens a half, exactly; NaN payloads are kept.
func F16ToF32(h uint16) float32 {
	// The half's exponent and mantissa, read as a float32, are 2^112 too
	// small, subnormals included.
	f := math.Float32frombits(uint32(h&0x7fff)<<13) * 0x1p112
	b := math.Float32bits(f) | uint32(h&0x8000)<<16
	if f >= 65536 { // the exponent was all ones: infinity or NaN
		b |= 0x7f800000
	}
	return math.Float32frombits(b)
}

// F32ToF16 narrows f to the nearest half, ties to even. Too large values become
// infinity. NaN stays NaN, quiet.
func F32ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000: // NaN: quiet, as much of the payload as fits
		return sign | 0x7e00 | uint16(b>>13&0x3ff)
	case b >= 0x47800000: // 65536 and up
		return sign | 0x7c00
	case b < 0x38800000: // subnormal half: an ulp of 0.5 is the half's step
		return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
	}
	// A carry out of the mantissa raises the exponent, up to infinity.
	b += 0xfff + b>>13&1 - 112<<23
	return sign | uint16(b>>13)
}

// BF16ToF32 widens a bfloat16, exactly.
func BF16ToF32(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// F32ToBF16 narrows f to the nearest bfloat16, ties to even; NaN stays NaN,
// quiet.
func F32ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

var specF32 = Spec{F32, "f32", 1, 4, Float, 0, packF32, unpackF32, nil}

func packF32(dst []byte, src []float32) {
	for _, v := range src {
		binary.LittleEndian.PutUint32(dst, math.Float32bits(v))
		dst = dst[4:]
	}
}

func unpackF32(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src))
		src = src[4:]
	}
}

// packF16 keeps finite values finite: too large ones become the largest half.
var specF16 = Spec{F16, "f16", 1, 2, Float, 1, packF16, unpackF16, nil}

func packF16(dst []byte, src []float32) {
	for _, v := range src {
		h := F32ToF16(v)
		if h&0x7fff == 0x7c00 && v-v == 0 {
			h--
		}
		binary.LittleEndian.PutUint16(dst, h)
		dst = dst[2:]
	}
}

func unpackF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = F16ToF32(binary.LittleEndian.Uint16(src))
		src = src[2:]
	}
}

// packBF16 keeps finite values finite, like packF16.
var specBF16 = Spec{BF16, "bf16", 1, 2, Float, 32, packBF16, unpackBF16, nil}

func packBF16(dst []byte, src []float32) {
	for _, v := range src {
		h := F32ToBF16(v)
		if h&0x7fff == 0x7f80 && v-v == 0 {
			h--
		}
		binary.LittleEndian.PutUint16(dst, h)
		dst = dst[2:]
	}
}

func unpackBF16(dst []float32, src []byte) {
	for i := range dst {
		dst[i] = BF16ToF32(binary.LittleEndian.Uint16(src))
		src = src[2:]
	}
}
