package quant

import (
	"math"
	"testing"
)

// slowHalf is a half's value by the definition of binary16.
func slowHalf(h uint16) float32 {
	sign, exp, frac := float64(1), int(h>>10&31), float64(h&0x3ff)
	if h>>15 == 1 {
		sign = -1
	}
	switch {
	case exp == 31 && frac != 0:
		return float32(math.NaN())
	case exp == 31:
		return float32(math.Inf(int(sign)))
	case exp == 0:
		return float32(math.Copysign(math.Ldexp(frac, -24), sign))
	}
	return float32(sign * math.Ldexp(1024+frac, exp-25))
}

// narrow is one of the 16-bit floats.
type narrow struct {
	name   string
	widen  func(uint16) float32
	narrow func(float32) uint16
	inf    uint16
	quiet  uint16
}

var narrows = []narrow{
	{"f16", F16ToF32, F32ToF16, 0x7c00, 0x0200},
	{"bf16", BF16ToF32, F32ToBF16, 0x7f80, 0x0040},
}

func TestHalfValues(t *testing.T) {
	for h := range 1 << 16 {
		got, want := F16ToF32(uint16(h)), slowHalf(uint16(h))
		if math.Float32bits(got) != math.Float32bits(want) && (got == got || want == want) {
			t.Fatalf("half %#04x is %v, want %v", h, got, want)
		}
		if b := BF16ToF32(uint16(h)); math.Float32bits(b) != uint32(h)<<16 {
			t.Fatalf("bfloat16 %#04x is %v", h, b)
		}
	}
}

// Every code survives; a NaN comes back quiet, with its sign and payload.
func TestNarrowRoundTrip(t *testing.T) {
	for _, n := range narrows {
		for c := range 1 << 16 {
			h := uint16(c)
			want := h
			if h&^0x8000 > n.inf {
				want |= n.quiet
			}
			if got := n.narrow(n.widen(h)); got != want {
				t.Fatalf("%s %#04x comes back as %#04x, want %#04x", n.name, h, got, want)
			}
		}
	}
}

// Between any two neighbours: the middle goes to the even one, and the floats
// just beside it to the nearer.
func TestNarrowRounding(t *testing.T) {
	for _, n := range narrows {
		for h := range n.inf {
			lo, hi := float64(n.widen(h)), float64(n.widen(h+1))
			if h+1 == n.inf { // infinity takes the place of the next power of two
				hi = 2*lo - float64(n.widen(h-1))
			}
			middle := float32((lo + hi) / 2)
			if float64(middle) != (lo+hi)/2 { // below float32's own precision
				continue
			}
			even := h + h&1
			for _, c := range []struct {
				v    float32
				want uint16
			}{
				{middle, even},
				{math.Nextafter32(middle, 0), h},
				{math.Nextafter32(middle, math.MaxFloat32), h + 1},
			} {
				if got := n.narrow(c.v); got != c.want {
					t.Fatalf("%s of %v is %#04x, want %#04x", n.name, c.v, got, c.want)
				}
				if got := n.narrow(-c.v); got != c.want|0x8000 {
					t.Fatalf("%s of %v is %#04x, want %#04x", n.name, -c.v, got, c.want|0x8000)
				}
			}
		}
	}
}

func TestNarrowExtremes(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		v       float32
		f16, bf uint16
	}{
		{65504, 0x7bff, 0x4780}, {65519.996, 0x7bff, 0x4780}, {65520, 0x7c00, 0x4780}, {1e30, 0x7c00, 0x714a},
		{math.MaxFloat32, 0x7c00, 0x7f80}, {inf, 0x7c00, 0x7f80},
		{0x1p-24, 0x0001, 0x3380}, {0x1p-25, 0x0000, 0x3300}, {0x1.000002p-25, 0x0001, 0x3300}, {0x1.8p-24, 0x0002, 0x33c0},
		{0x1.ff8p-15, 0x03ff, 0x3880}, {0x1.ffcp-15, 0x0400, 0x3880}, {math.SmallestNonzeroFloat32, 0, 0},
	} {
		if h := F32ToF16(c.v); h != c.f16 {
			t.Errorf("half of %v is %#04x, want %#04x", c.v, h, c.f16)
		}
		if h := F32ToBF16(c.v); h != c.bf {
			t.Errorf("bfloat16 of %v is %#04x, want %#04x", c.v, h, c.bf)
		}
	}
	// A NaN whose payload lies wholly in the bits that go stays a NaN.
	for _, b := range []uint32{0x7f800001, 0xff800001, 0x7fffffff} {
		for _, n := range narrows {
			if h := n.narrow(math.Float32frombits(b)); h&0x7fff <= n.inf || h>>15 != uint16(b>>31) {
				t.Errorf("%s of NaN %#08x is %#04x", n.name, b, h)
			}
		}
	}
}

// half, for scales, has no infinity, and halfAbove is not much below its
// argument.
func TestScales(t *testing.T) {
	for _, v := range []float32{65504, 65520, 1e30, math.MaxFloat32} {
		if half(v) != 0x7bff || half(-v) != 0xfbff || halfAbove(v) != 0x7bff {
			t.Errorf("%v: %#04x %#04x %#04x", v, half(v), half(-v), halfAbove(v))
		}
	}
	for e := -149; e < 15; e++ {
		v := float32(math.Ldexp(1.3, e))
		if h := F16ToF32(halfAbove(v)); h < v*0.999 {
			t.Errorf("halfAbove(%v) is %v", v, h)
		}
	}
}
