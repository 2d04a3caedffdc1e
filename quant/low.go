package quant

// low is a block of 16 groups of 16 values of few bits, each d*sc*(q-mid) - m*mn.
type low struct {
	d, m uint16
	mid  float32 // 4 of Q3_K, whose m is 0; 0 of Q2_K
	sc   [16]int8
	mn   [16]uint8
	q    [256]uint8
}

// lines are what each group's levels mean: step*q - least.
func (l *low) lines() (step, least [16]float32) {
	d, m := F16ToF32(l.d), F16ToF32(l.m)
	for g := range step {
		step[g] = d * float32(l.sc[g])
		least[g] = float32(l.mid*step[g]) + float32(m*float32(l.mn[g]))
	}
	return step, least
}

// weightsOf are group g's 16 of w; nil of nil.
func weightsOf(w []float32, g int) []float32 {
	if w == nil {
		return nil
	}
	return w[16*g : 16*g+16]
}

// putTwos writes the low two bits of 256 levels to 64 bytes: value 32*k+i of a
// half of 128 goes to byte i of its 32, at bit 2*k.
func putTwos(b []byte, q *[256]uint8) {
	for h := range 2 {
		for i := range 32 {
			v := q[128*h+i:]
			b[32*h+i] = v[0]&3 | v[32]&3<<2 | v[64]&3<<4 | v[96]&3<<6
		}
	}
}
