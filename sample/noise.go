package sample

import (
	"math"
	"math/bits"
)

// A token is sampled as the one with the greatest sum of log-probability and
// Gumbel noise (the Gumbel-max trick; Maddison, Tarlow and Minka, "A* Sampling",
// 2014). The noise is a function of seed, position and token, so that no state
// has to be kept, and neither the company in a pass nor a draft changes a text.
// The bits are counted, not chained (Salmon et al., "Parallel Random Numbers: As
// Easy as 1, 2, 3", 2011). They are mixed by the constants of Stafford's variant
// 13, as SplitMix64 does (Steele, Lea and Flood, "Fast Splittable Pseudorandom
// Number Generators", 2014).

const (
	golden = 0x9E3779B97F4A7C15 // 2^64 over the golden ratio
	first  = 0xBF58476D1CE4E5B9
	second = 0x94D049BB133111EB
)

// mix is a bijection whose every output bit depends on every input bit.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * first
	z = (z ^ z>>27) * second
	return z ^ z>>31
}

// noise is that of all tokens at one position. With one key alone, two positions
// could have the same noise, shifted by some tokens.
type noise struct{ start, middle uint64 }

func noiseAt(seed uint64, pos int) noise {
	start := mix(mix(seed+golden) ^ uint64(pos)*second)
	return noise{start, mix(start + golden)}
}

// bits are a token's 64 random bits.
func (n noise) bits(token int32) uint64 {
	z := n.start + uint64(token)*golden
	z = (z^z>>30)*first ^ n.middle
	z = (z ^ z>>27) * second
	return z ^ z>>31
}

// gumbel turns random bits into Gumbel noise, -log(-log(1-v)), where v is
// uniform between 0 and 1. Small v, the great noise, keep a float64's precision.
func gumbel(bits uint64) float64 {
	v := min((float64(bits)+0.5)*0x1p-64, 1-0x1p-53)
	return -math.Log(-math.Log1p(-v))
}

// mostNoise is above all noise.
const mostNoise = 65 * ln2Above

// ln2Above is a little above the logarithm of 2, for the rounding of sums.
const ln2Above = 0.69315

// atMost is a bound of gumbel without a logarithm. Since -log(1-v) > v, the
// noise is under -log(v), and v has as many leading zeros as its bits.
func atMost(b uint64) float64 { return float64(bits.LeadingZeros64(b)+1) * ln2Above }

// race is the token of a row with the greatest sum of logit over temperature,
// inv being 1 over that, and noise. Logits under least take no part, nor does
// NaN. Few tokens come near enough to the best so far for a logarithm.
func (n noise) race(row []float32, inv float64, least float32) int32 {
	at, most := int32(0), math.Inf(-1)
	for i, x := range row {
		v := float64(x) * inv
		if v+mostNoise <= most || x < least {
			continue
		}
		if b := n.bits(int32(i)); v+atMost(b) > most {
			if v += gumbel(b); v > most {
				at, most = int32(i), v
			}
		}
	}
	return at
}

// choose is race among candidates that have their logits.
func (n noise) choose(c []Candidate, inv float64) int32 {
	at, most := c[0].ID, math.Inf(-1)
	for _, x := range c {
		v := float64(x.P) * inv
		b := n.bits(x.ID)
		if v+atMost(b) < most {
			continue
		}
		if v += gumbel(b); v > most || v == most && x.ID < at {
			at, most = x.ID, v
		}
	}
	return at
}
