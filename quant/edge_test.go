package quant

import (
	"bytes"
	"math"
	"testing"
)

// worst is the largest error of a value, over the largest magnitude of its
// block, that a type may make where its scales are normal halves.
var worst = map[Type]float64{
	F32: 0, F16: 0x1p-11, BF16: 0x1p-8,
	Q8_0: 0.0042, Q4_0: 0.16, Q6_K: 0.04, Q5_K: 0.06, Q4_K: 0.12,
	Q5_1: 0.04, Q5_0: 0.08, Q4_1: 0.08, IQ4_NL: 0.16, IQ4_XS: 0.2, MXFP4: 0.26, Q3_K: 0.3, Q2_K: 0.5,
}

// most is the largest magnitude a type can hold on either side.
var most = map[Type]float64{
	F32: math.MaxFloat32, F16: 65504, BF16: 0x1.fep127,
	Q8_0: 127 * 65504, Q4_0: 7 * 65504, Q6_K: 127 * 31 * 65504, Q5_K: 63 * 65504, Q4_K: 63 * 65504,
	Q5_1: 65504, Q5_0: 15 * 65504, Q4_1: 65504, IQ4_NL: 113 * 65504, IQ4_XS: 31 * 113 * 65504, MXFP4: 12 * 0x1p124,
	Q3_K: 31 * 3 * 65504, Q2_K: 15 * 65504, // a block's minimum is no multiple of a level
}

// checkPack packs whole blocks of finite values and checks what comes out.
func checkPack(t *testing.T, s *Spec, x []float32) {
	t.Helper()
	checkWithin(t, s, x, worst[s.Type], false)
}

// checkWithin is checkPack with errors of up to a share of a block's largest value.
// With mean, that is the bound of the root of a block's mean square error.
func checkWithin(t *testing.T, s *Spec, x []float32, share float64, mean bool) {
	t.Helper()
	n := s.RowBytes(len(x))
	b := bytes.Repeat([]byte{0xa5}, n+16)
	s.Pack(b[:n:n], x)
	if !bytes.Equal(b[n:], bytes.Repeat([]byte{0xa5}, 16)) {
		t.Fatalf("%s: Pack wrote past its end", s.Name)
	}
	y := make([]float32, len(x))
	s.Unpack(y, b[:n])
	squares := 0.0 // of the block so far
	for i, v := range y {
		top := 0.0
		for _, w := range x[i/s.Block*s.Block:][:s.Block] {
			top = max(top, math.Abs(float64(w)))
		}
		if v-v != 0 {
			t.Fatalf("%s: %v among a block of up to %v became %v", s.Name, x[i], top, v)
		}
		if top > most[s.Type] { // as far as the type goes, on the right side, and as near to that as to values within
			if math.Abs(float64(x[i])) == top && !(math.Abs(float64(v)) >= min(0.9, 1-share)*most[s.Type] && (v < 0) == (x[i] < 0)) {
				t.Fatalf("%s: %v became %v, and %v would do", s.Name, x[i], v, most[s.Type])
			}
			continue
		}
		// Scales below a half's normal range are multiples of 2^-24, and a scale
		// of scales is off by up to half of one for each of its 127 levels.
		tiny := 0x1p-24 * 64
		e := math.Abs(float64(v) - float64(x[i]))
		if mean {
			if i%s.Block == 0 {
				squares = 0
			}
			squares += e / (share*top + tiny) * e / (share*top + tiny)
			if i%s.Block == s.Block-1 && squares > float64(s.Block) {
				t.Fatalf("%s: a block of up to %v is off by %.3g of it in the mean", s.Name, top, share*math.Sqrt(squares/float64(s.Block)))
			}
			continue
		}
		if e > share*top+tiny {
			t.Fatalf("%s: %v among a block of up to %v became %v, off by %.3g of it", s.Name, x[i], top, v, e/top)
		}
	}
}

func TestEdgeRows(t *testing.T) {
	const n = 512
	rows := map[string]func(i int) float32{
		"zeros":            func(int) float32 { return 0 },
		"negative zeros":   func(int) float32 { return float32(math.Copysign(0, -1)) },
		"ones":             func(int) float32 { return 1 },
		"minus ones":       func(int) float32 { return -1 },
		"a constant":       func(int) float32 { return 0.0137 },
		"a small constant": func(int) float32 { return -3e-5 },
		"all negative":     func(i int) float32 { return -1 - float32(i%17)/16 },
		"all positive":     func(i int) float32 { return 3 + float32(i%29)/28 },
		"alternating":      func(i int) float32 { return float32(i%2*2 - 1) },
		"a ramp":           func(i int) float32 { return float32(i) - n/2 },
		"a spike": func(i int) float32 {
			if i == 77 {
				return 5
			}
			return 0
		},
		"a negative spike over noise": func(i int) float32 {
			if i == 300 {
				return -1000
			}
			return float32(i%7-3) / 100
		},
		"a spike in every group": func(i int) float32 {
			if i%32 == 5 {
				return -2
			}
			return 0.001
		},
		"denormals":           func(i int) float32 { return math.Float32frombits(uint32(i)) },
		"negative denormals":  func(i int) float32 { return -math.Float32frombits(uint32(i + 1)) },
		"the least denormal":  func(int) float32 { return math.SmallestNonzeroFloat32 },
		"tiny":                func(i int) float32 { return float32(i-200) * 1e-30 },
		"below half's scales": func(i int) float32 { return float32(i-200) * 1e-9 },
		"large":               func(i int) float32 { return float32(i%31-15) * 4000 },
		"at half's limit":     func(i int) float32 { return float32(i%2*2-1) * 65519.996 },
		"beyond half":         func(i int) float32 { return float32(i%2*2-1) * 1e6 },
		"beyond q8_0":         func(i int) float32 { return float32(i%2*2-1) * 1e7 },
		"beyond every block":  func(i int) float32 { return float32(i%2*2-1) * 1e20 },
		"the largest":         func(i int) float32 { return float32(i%2*2-1) * math.MaxFloat32 },
		"one of the largest": func(i int) float32 {
			if i%256 == 3 {
				return -math.MaxFloat32
			}
			return 1
		},
		"every size": func(i int) float32 { return float32(math.Ldexp(float64(i%2*2-1), i/2%254-127)) },
	}
	for name, at := range rows {
		x := make([]float32, n)
		for i := range x {
			x[i] = at(i)
		}
		for i := range specs {
			t.Run(name+"/"+specs[i].Name, func(t *testing.T) { checkPack(t, specs[i], x) })
		}
	}
}

// Zeros are exact in every type, and a constant nearly so. The scales of MXFP4 are
// powers of two, so there a constant is as far off as its levels are apart.
func TestConstantRows(t *testing.T) {
	for _, s := range specs {
		share := 0.01
		if s.Type == MXFP4 {
			share = 1.0 / 8
		}
		for _, c := range []float32{0, 0.25, -0.25, 1, -1, 3.7, -3.7} {
			x := make([]float32, 256)
			for i := range x {
				x[i] = c
			}
			for _, v := range roundTrip(s, x) {
				if e := math.Abs(float64(v - c)); e > share*math.Abs(float64(c)) {
					t.Errorf("%s: %v became %v", s.Name, c, v)
					break
				}
			}
		}
	}
}

// What is no number does not spoil its block's other values.
func TestNotANumber(t *testing.T) {
	inf := float32(math.Inf(1))
	for typ := range layouts {
		s, _ := typ.Spec()
		for _, bad := range []float32{float32(math.NaN()), inf, -inf} {
			x := fill(256, 6, gauss)
			x[100] = bad
			for i, v := range roundTrip(s, x) {
				if v-v != 0 {
					t.Fatalf("%s: with %v among the values, value %d became %v", s.Name, bad, i, v)
				}
			}
		}
	}
}
