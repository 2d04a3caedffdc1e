package quant

import "math"

// MXFP4 packs 32 values in 17 bytes, 4.25 bits a value (OCP Microscaling
// Formats, 2023):
//
//	0   uint8  e
//	1   uint4  q[32]: byte i holds q[i] (low nibble) and q[16+i] (high)
//
//	value[i] = 2^(e-128) * levelMX[q[i]]
//
// The levels are twice those of FP4 E2M1, and the scale half of E8M0's.

var levelMX = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

var bookMX = newCodebook(levelMX)

// highestMX is the e above which the highest level would be infinite.
const highestMX = 252

// scaleMX is 2^(e-128).
func scaleMX(e uint8) float32 {
	if e < 2 {
		return math.Float32frombits(0x00200000 << e)
	}
	return math.Float32frombits(uint32(e-1) << 23)
}

var specMXFP4 = Spec{MXFP4, "mxfp4", 32, 17, Signed32, 38, packMXFP4, unpackMXFP4, weighMXFP4}

func packMXFP4(dst []byte, src []float32) {
	for len(src) >= 32 {
		putMXFP4(dst, src[:32], nil)
		src, dst = src[32:], dst[17:]
	}
}

func weighMXFP4(dst []byte, f *fit) { putMXFP4(dst, f.x, f.w) }

func putMXFP4(b []byte, x, w []float32) {
	var calm [32]float32
	if !(peak(x) <= mostMXFP4) {
		tame(calm[:], x, mostMXFP4)
		x = calm[:]
	}
	// The power of two that puts the largest value between 8 and 16, and the next.
	e := clamp(int(math.Float32bits(peak(x))>>23)-127+128-3, 0, highestMX)
	best, at := math.Inf(1), e
	for _, try := range []int{e, min(e+1, highestMX)} {
		d := scaleMX(uint8(try))
		inv := inverse(d)
		var cost float64
		for i, v := range x {
			err := float64(v - float32(d*bookMX.near[place(float32(v*inv))]))
			err *= err
			if w != nil {
				err *= float64(w[i])
			}
			cost += err
		}
		if cost < best {
			best, at = cost, try
		}
	}
	b[0] = uint8(at)
	bookMX.put(b[1:17], x, scaleMX(uint8(at)))
}

func unpackMXFP4(dst []float32, src []byte) {
	for len(dst) >= 32 {
		unpackCodes(dst[:32], src[1:17], scaleMX(src[0]), &levelMX)
		dst, src = dst[32:], src[17:]
	}
}
