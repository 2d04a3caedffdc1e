package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// layout decodes one value of a block straight from ggml's definition:
// value v is step*level - offset, and level is an integer within lo..hi.
type layout struct {
	decode func(b []byte, v int) (step, level, offset float32)
	lo, hi float32 // of the levels Pack uses
	uneven bool    // levels are not all the integers between
}

// levelsIQ4 are the levels of IQ4_NL and IQ4_XS by their code, as ggml has them.
var levelsIQ4 = [16]float32{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

func f16At(b []byte, at int) float32 { return slowHalf(uint16(b[at]) | uint16(b[at+1])<<8) }

// bitsAt is n bits of b from bit number at, the lowest bit of byte 0 being
// number 0.
func bitsAt(b []byte, at, n int) int {
	v := 0
	for i := range n {
		v |= int(b[(at+i)/8]>>((at+i)%8)&1) << i
	}
	return v
}

// sixAt is scale (m = 0) or minimum (m = 1) g of the 12 bytes at b.
func sixAt(b []byte, g, m int) float32 {
	if g < 4 {
		return float32(bitsAt(b, 8*(4*m+g), 6))
	}
	return float32(bitsAt(b, 8*(8+g-4)+4*m, 4) + bitsAt(b, 8*(4*m+g-4)+6, 2)<<4)
}

var layouts = map[Type]layout{
	Q8_0: {lo: -127, hi: 127, decode: func(b []byte, v int) (step, level, offset float32) {
		return f16At(b, 0), float32(int8(b[2+v])), 0
	}},
	Q4_0: {lo: -8, hi: 7, decode: func(b []byte, v int) (step, level, offset float32) {
		return f16At(b, 0), float32(bitsAt(b[2:], 8*(v%16)+4*(v/16), 4) - 8), 0
	}},
	Q4_K: {lo: 0, hi: 15, decode: func(b []byte, v int) (step, level, offset float32) {
		g, i := v/32, v%32
		q := bitsAt(b[16:], 8*(32*(g/2)+i)+4*(g%2), 4)
		return f16At(b, 0) * sixAt(b[4:], g, 0), float32(q), f16At(b, 2) * sixAt(b[4:], g, 1)
	}},
	Q5_K: {lo: 0, hi: 31, decode: func(b []byte, v int) (step, level, offset float32) {
		g, i := v/32, v%32
		q := bitsAt(b[48:], 8*(32*(g/2)+i)+4*(g%2), 4) + bitsAt(b[16:], 8*i+g, 1)<<4
		return f16At(b, 0) * sixAt(b[4:], g, 0), float32(q), f16At(b, 2) * sixAt(b[4:], g, 1)
	}},
	Q4_1: {lo: 0, hi: 15, decode: func(b []byte, v int) (step, level, offset float32) {
		return f16At(b, 0), float32(bitsAt(b[4:], 8*(v%16)+4*(v/16), 4)), -f16At(b, 2)
	}},
	Q5_0: {lo: -16, hi: 15, decode: func(b []byte, v int) (step, level, offset float32) {
		q := bitsAt(b[6:], 8*(v%16)+4*(v/16), 4) + bitsAt(b[2:], v, 1)<<4
		return f16At(b, 0), float32(q - 16), 0
	}},
	Q5_1: {lo: 0, hi: 31, decode: func(b []byte, v int) (step, level, offset float32) {
		q := bitsAt(b[8:], 8*(v%16)+4*(v/16), 4) + bitsAt(b[4:], v, 1)<<4
		return f16At(b, 0), float32(q), -f16At(b, 2)
	}},
	Q2_K: {lo: 0, hi: 3, decode: func(b []byte, v int) (step, level, offset float32) {
		h, k, i := v/128, v%128/32, v%32
		q := bitsAt(b[16:], 8*(32*h+i)+2*k, 2)
		return f16At(b, 80) * float32(bitsAt(b, 8*(v/16), 4)), float32(q), f16At(b, 82) * float32(bitsAt(b, 8*(v/16)+4, 4))
	}},
	Q3_K: {lo: -4, hi: 3, decode: func(b []byte, v int) (step, level, offset float32) {
		h, k, i, g := v/128, v%128/32, v%32, v/16
		q := bitsAt(b[32:], 8*(32*h+i)+2*k, 2) + bitsAt(b, 8*i+4*h+k, 1)<<2
		sc := bitsAt(b[96:], 8*(g%8)+4*(g/8), 4) + bitsAt(b[104:], 8*(g%4)+2*(g/4), 2)<<4
		return f16At(b, 108) * float32(sc-32), float32(q - 4), 0
	}},
	IQ4_NL: {lo: -127, hi: 113, uneven: true, decode: func(b []byte, v int) (step, level, offset float32) {
		return f16At(b, 0), levelsIQ4[bitsAt(b[2:], 8*(v%16)+4*(v/16), 4)], 0
	}},
	IQ4_XS: {lo: -127, hi: 113, uneven: true, decode: func(b []byte, v int) (step, level, offset float32) {
		g, i := v/32, v%32
		sc := bitsAt(b[4:], 4*g, 4) + bitsAt(b[2:], 2*g, 2)<<4
		return f16At(b, 0) * float32(sc-32), levelsIQ4[bitsAt(b[8:], 8*(16*g+i%16)+4*(i/16), 4)], 0
	}},
	MXFP4: {lo: -12, hi: 12, uneven: true, decode: func(b []byte, v int) (step, level, offset float32) {
		q := bitsAt(b[1:], 8*(v%16)+4*(v/16), 4)
		// E2M1 twice as large: bit 3 the sign, bits 1 and 2 the exponent, bit 0 the mantissa.
		level = float32(q & 1)
		if e := q >> 1 & 3; e > 0 {
			level = float32(2+q&1) * float32(int(1)<<(e-1))
		}
		if q&8 != 0 {
			level = 0 - level // code 8 is +0
		}
		return float32(math.Ldexp(1, int(b[0])-128)), level, 0
	}},
	Q6_K: {lo: -32, hi: 31, decode: func(b []byte, v int) (step, level, offset float32) {
		h, k, i := v/128, v%128/32, v%32
		q := bitsAt(b, 8*(64*h+32*(k%2)+i)+4*(k/2), 4) + bitsAt(b[128:], 8*(32*h+i)+2*k, 2)<<4
		return f16At(b, 208) * float32(int8(b[192+v/16])), float32(q - 32), 0
	}},
}

// checkLayout compares Unpack with the definition, bit for bit.
func checkLayout(t *testing.T, s *Spec, block []byte) {
	t.Helper()
	got := make([]float32, s.Block)
	s.Unpack(got, block)
	for v, g := range got {
		step, level, offset := layouts[s.Type].decode(block, v)
		want := float32(step*level) - offset
		if math.Float32bits(g) != math.Float32bits(want) && (g == g || want == want) {
			t.Fatalf("%s: value %d is %v, want %v (%v*%v - %v)", s.Name, v, g, want, step, level, offset)
		}
	}
}

func TestUnpackRandomBlocks(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 1))
	for typ := range layouts {
		s, _ := typ.Spec()
		block := make([]byte, s.Bytes)
		for range 500 {
			for i := range block {
				block[i] = byte(r.Uint32())
			}
			checkLayout(t, s, block)
		}
	}
}

// kHead is d = 1, dmin = 0.5 and, packed in sixes,
//
//	sc  1  2 33 63 17 34 51 60
//	mn  0  1 40 63  5 22 39 56
var kHead = []byte{0x00, 0x3c, 0x00, 0x38,
	0x41, 0x82, 0xe1, 0xff, // sc[0..3], over bits 4-5 of sc[4..7]
	0x00, 0x41, 0xa8, 0xff, // mn[0..3], over bits 4-5 of mn[4..7]
	0x51, 0x62, 0x73, 0x8c} // bits 0-3 of sc[4..7], and of mn[4..7] above

// Blocks written out by hand, with some of their values.
func TestUnpackByHand(t *testing.T) {
	for _, c := range []struct {
		t     Type
		bytes map[int]byte // over zeros
		head  []byte
		want  map[int]float32
	}{
		{t: Q8_0, head: []byte{0x00, 0x38, 1, 0xff, 0x7f, 0x80}, // d = 0.5
			want: map[int]float32{0: 0.5, 1: -0.5, 2: 63.5, 3: -64, 4: 0, 31: 0}},
		{t: Q4_0, head: []byte{0x00, 0xc0, 0xf0, 0x81}, // d = -2
			want: map[int]float32{0: 16, 16: -14, 1: 14, 17: 0, 2: 16, 31: 16}},
		{t: Q4_K, head: kHead,
			bytes: map[int]byte{16: 0xf1, 16 + 31: 0x2e, 16 + 32: 0x93, 16 + 64: 0x5a, 16 + 127: 0xfc},
			want: map[int]float32{
				0: 1*1 - 0, 1: 0, 31: 14, 32: 2*15 - 0.5, 63: 2*2 - 0.5,
				64: 33*3 - 20, 96: 63*9 - 31.5, 97: -31.5,
				128: 17*10 - 2.5, 160: 34*5 - 11,
				223: 51*12 - 19.5, 255: 60*15 - 28}},
		{t: Q5_K, head: kHead,
			// bit g of byte 16+i is the fifth of group g's value i
			bytes: map[int]byte{16: 0x83, 16 + 31: 0x40, 48: 0xf1, 48 + 32: 0x93, 48 + 96: 0x70, 48 + 127: 0xfc},
			want: map[int]float32{
				0: 1 * (1 + 16), 32: 2*(15+16) - 0.5, 64: 33*3 - 20, 96: 63*9 - 31.5,
				224: 60*(7+16) - 28, 223: 51*(12+16) - 19.5, 255: 60*15 - 28, 192: -19.5}},
		{t: Q6_K,
			bytes: map[int]byte{
				209: 0x3c,                                            // d = 1
				192: 2, 193: 0xff, 194: 3, 196: 5, 198: 7, 207: 0x80, // sc[15] = -128
				0: 0xa1, 32: 0x5f, 128: 0xe4, // bits 3 2 1 0 for values 96 64 32 0
				16: 0x0c, 127: 0xf0, 128 + 63: 0xc0},
			want: map[int]float32{
				0: 2 * (1 - 32), 32: 3 * (15 + 16 - 32), 64: 5 * (10 + 32 - 32), 96: 7 * (5 + 48 - 32),
				16: -1 * (12 - 32), 17: 32, 33: 3 * -32, 255: -128 * 31, 254: -128 * -32, 128: 0}},
	} {
		s, _ := c.t.Spec()
		block := make([]byte, s.Bytes)
		copy(block, c.head)
		for i, b := range c.bytes {
			block[i] = b
		}
		got := make([]float32, s.Block)
		s.Unpack(got, block)
		for v, want := range c.want {
			if got[v] != want {
				t.Errorf("%s: value %d is %v, want %v", s.Name, v, got[v], want)
			}
		}
		checkLayout(t, s, block)
	}
}

// Rows that a type holds exactly come out as the bytes written here.
func TestPackByHand(t *testing.T) {
	row := make([]float32, 32)
	q8, q4 := []byte{0x00, 0x3c}, []byte{0x00, 0x3c} // d = 1
	for i := range row {
		row[i] = float32(8*i - 127)
		q8 = append(q8, byte(8*i-127))
	}
	equal := func(typ Type, x []float32, want []byte) {
		t.Helper()
		s, _ := typ.Spec()
		got := make([]byte, s.Bytes)
		s.Pack(got, x)
		if string(got) != string(want) {
			t.Errorf("%s: % x\nwant % x", s.Name, got, want)
		}
	}
	equal(Q8_0, row, q8)
	for i := range 16 {
		row[i], row[16+i] = float32(i-8), float32(7-i)
		q4 = append(q4, byte(i|(15-i)<<4))
	}
	equal(Q4_0, row, q4)
}

// Given the scales that Pack chose, no other level is nearer to any value.
func TestPackNearest(t *testing.T) {
	for typ, l := range layouts {
		if l.uneven {
			continue // see TestPackNearestCode
		}
		s, _ := typ.Spec()
		x := fill(200*s.Block, 4, student)
		b := make([]byte, s.RowBytes(len(x)))
		s.Pack(b, x)
		used := map[float32]int{}
		for i, v := range x {
			step, level, offset := l.decode(b[i/s.Block*s.Bytes:], i%s.Block)
			used[level]++
			off := (float64(v)+float64(offset))/float64(step) - float64(level)
			if level < l.lo || level > l.hi || off > 0.501 && level < l.hi || off < -0.501 && level > l.lo {
				t.Fatalf("%s: value %d, %v, has level %v of step %v and offset %v", s.Name, i, v, level, step, offset)
			}
		}
		if want := int(l.hi - l.lo + 1); len(used) < want*9/10 {
			t.Errorf("%s: only %d of %d levels are used", s.Name, len(used), want)
		}
	}
}

// Given the scales that Pack chose, no other code of an uneven type is nearer.
func TestPackNearestCode(t *testing.T) {
	for typ, l := range layouts {
		if !l.uneven {
			continue
		}
		s, _ := typ.Spec()
		levels := map[float32]bool{}
		block := make([]byte, s.Bytes)
		for b := range 256 { // whatever the code, some byte of some block has it
			for i := range block {
				block[i] = byte(b)
			}
			for v := range s.Block {
				_, level, _ := l.decode(block, v)
				levels[level] = true
			}
		}
		x := fill(200*s.Block, 4, student)
		b := make([]byte, s.RowBytes(len(x)))
		s.Pack(b, x)
		for i, v := range x {
			step, level, _ := l.decode(b[i/s.Block*s.Bytes:], i%s.Block)
			off := math.Abs(float64(v) - float64(step)*float64(level))
			for other := range levels {
				if math.Abs(float64(v)-float64(step)*float64(other)) < off-1e-6*math.Abs(float64(step)*128) {
					t.Fatalf("%s: value %d, %v, has level %v of step %v, and %v is nearer", s.Name, i, v, level, step, other)
				}
			}
		}
	}
}

// Every type has a layout here, but for floats, whose values are their bytes.
func TestLayouts(t *testing.T) {
	for _, typ := range Types() {
		if _, ok := layouts[typ]; !ok && typ.Class() != Float {
			t.Errorf("%s has no definition in layouts", typ)
		}
	}
}

// Every pair of scales and minimums survives its packing in 12 bytes.
func TestSixes(t *testing.T) {
	for g := range 8 {
		for v := range uint8(64) {
			var sc, mn [8]uint8
			for i := range 8 {
				sc[i], mn[i] = uint8(9*i)&63, uint8(63-7*i)&63
			}
			sc[g], mn[g] = v, 63-v
			var b [12]byte
			putSixes(&b, &sc, &mn)
			if s, m := sixes(&b); s != sc || m != mn {
				t.Fatalf("%v %v came back as %v %v", sc, mn, s, m)
			}
			for i := range 8 {
				if sixAt(b[:], i, 0) != float32(sc[i]) || sixAt(b[:], i, 1) != float32(mn[i]) {
					t.Fatalf("%v %v lie as % x", sc, mn, b)
				}
			}
		}
	}
}

// FuzzUnpack: any bytes are a block, and Unpack reads it by the definition.
func FuzzUnpack(f *testing.F) {
	f.Add(kHead)
	f.Fuzz(func(t *testing.T, data []byte) {
		for typ := range layouts {
			s, _ := typ.Spec()
			block := make([]byte, s.Bytes)
			copy(block, data)
			checkLayout(t, s, block)
		}
	})
}

// FuzzPack: whatever the finite values, what comes out is finite, near where
// the type can be near, and nothing is written beyond the block.
func FuzzPack(f *testing.F) {
	seed := make([]byte, 4*256)
	for i, v := range fill(256, 5, student) {
		binary.LittleEndian.PutUint32(seed[4*i:], math.Float32bits(v))
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		x := make([]float32, 256)
		for i := range x {
			if len(data) >= 4 {
				x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data))
				data = data[4:]
			}
			if x[i]-x[i] != 0 {
				x[i] = 0
			}
		}
		for i := range specs {
			share, mean := worst[specs[i].Type], false
			switch specs[i].Type {
			case Q5_1, Q5_0, Q4_1, IQ4_NL, IQ4_XS, MXFP4, Q3_K, Q2_K:
				// These are nearest by squares too: one value may be farther off than
				// plain rounding puts any, where the others come nearer for it.
				mean = true
			case Q4_0:
				// The one scale of 32 values is nearest by squares: where it is refitted to
				// levels q of values v >= (q-0.5)/8.6 of the largest, that one at level -8
				// is off by sum(q*q-8*q*v)/(64+sum(q*q)) <= 0.2 of itself, one of the other
				// sign at level 7 by (8+sum(q*q-7*q*v))/(113+sum(q*q)) < 0.25.
				share = 0.25
			}
			checkWithin(t, specs[i], x, share, mean)
		}
	})
}
