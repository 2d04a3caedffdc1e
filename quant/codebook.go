package quant

import "math"

// codebook is 16 levels that four bits choose from. Half way from one level to the
// next is a multiple of a half, so the nearest level is the same for all of half a
// step, of which near and code have one element for each.
type codebook struct {
	lo, hi float32 // the lowest and the highest level
	near   [512]float32
	code   [512]uint8 // as blocks spell it
}

func newCodebook(byCode [16]int8) *codebook {
	c := &codebook{lo: 127, hi: -128}
	for i := range c.near {
		v := (float32(i) - 255.5) / 2
		best := float32(math.Inf(1))
		for code, l := range byCode { // of two codes for one level the first
			if d := abs(v - float32(l)); d < best {
				best, c.near[i], c.code[i] = d, float32(l), uint8(code)
			}
		}
		c.lo, c.hi = min(c.lo, c.near[i]), max(c.hi, c.near[i])
	}
	return c
}

// place is where near and code have what is for v.
func place(v float32) int { return clamp(round(float32(v*2)-0.5), -256, 255) + 256 }

// sums rounds x*inv to levels and returns the sums of x*level and level*level,
// weighted where w is not nil.
func (c *codebook) sums(x, w []float32, inv float32) (xq, qq float64) {
	if w != nil {
		w = w[:len(x)]
		for i, v := range x {
			l := float64(c.near[place(float32(v*inv))])
			wl := float64(float64(w[i]) * l)
			xq += float64(wl * float64(v))
			qq += float64(wl * l)
		}
		return xq, qq
	}
	var x0, x1, q0, q1 float32
	for ; len(x) >= 2; x = x[2:] {
		a, b := c.near[place(float32(x[0]*inv))], c.near[place(float32(x[1]*inv))]
		x0 += float32(x[0] * a)
		x1 += float32(x[1] * b)
		q0 += float32(a * a)
		q1 += float32(b * b)
	}
	return float64(x0 + x1), float64(q0 + q1)
}

// fit is the d for which d*level comes nearest to x by squares. The value of
// largest magnitude is tried at several places around either end, and d is fitted
// to the levels from the best.
func (c *codebook) fit(x, w []float32) (d float32) {
	top := float32(0)
	for _, v := range x {
		if abs(v) > abs(top) {
			top = v
		}
	}
	if top == 0 {
		return 0
	}
	var best float64
	try := func(inv float32) bool {
		xq, qq := c.sums(x, w, inv)
		if qq == 0 || xq == 0 {
			return false
		}
		gain := xq * xq / qq
		if gain <= best {
			return false
		}
		best, d = gain, float32(xq/qq)
		return true
	}
	for _, end := range []float32{c.lo, c.hi} {
		for step := range codebookSteps {
			try(end * (1.08 - 0.28*float32(step)/(codebookSteps-1)) / top)
		}
	}
	for range codebookRounds {
		if inv := inverse(d); inv-inv != 0 || !try(inv) {
			break
		}
	}
	return d
}

const (
	codebookSteps  = 9 // scales tried for each end
	codebookRounds = 3 // of fitting levels and scale to each other, from the best
)

// put writes the codes of 32 values to 16 bytes.
func (c *codebook) put(b []byte, x []float32, d float32) {
	inv := inverse(d)
	if inv-inv != 0 {
		inv = 0
	}
	for i := range 16 {
		b[i] = c.code[place(float32(x[i]*inv))] | c.code[place(float32(x[16+i]*inv))]<<4
	}
}

// unpackCodes writes d*level of 32 codes.
func unpackCodes(y []float32, q []byte, d float32, level *[16]int8) {
	var v [16]float32
	for i, l := range level {
		v[i] = d * float32(l)
	}
	for i, c := range q[:16] {
		y[i] = v[c&15]
		y[16+i] = v[c>>4]
	}
}
