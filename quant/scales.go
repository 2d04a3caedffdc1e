package quant

// Q4_K and Q5_K keep eight 6-bit scales and eight 6-bit minimums in 12 bytes:
//
//	byte i      (i < 4)  sc[i] in the low six bits, bits 4-5 of sc[4+i] above
//	byte 4+i             mn[i] likewise, with bits 4-5 of mn[4+i]
//	byte 8+i             bits 0-3 of sc[4+i], and of mn[4+i] above

// putSixes packs sc and mn, each below 64.
func putSixes(b *[12]byte, sc, mn *[8]uint8) {
	for i := range 4 {
		b[i] = sc[i] | sc[4+i]>>4<<6
		b[4+i] = mn[i] | mn[4+i]>>4<<6
		b[8+i] = sc[4+i]&15 | mn[4+i]<<4
	}
}

// sixes unpacks them.
func sixes(b *[12]byte) (sc, mn [8]uint8) {
	for i := range 4 {
		sc[i], mn[i] = b[i]&63, b[4+i]&63
		sc[4+i] = b[8+i]&15 | b[i]>>6<<4
		mn[4+i] = b[8+i]>>4 | b[4+i]>>6<<4
	}
	return sc, mn
}

// number and number6 are small integers as floats, the latter those of Q6_K:
// a load is cheaper than a conversion.
var (
	number  = [32]float32{}
	number6 = [64]float32{}
)

func init() {
	for i := range number {
		number[i] = float32(i)
	}
	for i := range number6 {
		number6[i] = float32(i - 32)
	}
}
