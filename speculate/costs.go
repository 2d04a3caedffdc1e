package speculate

import (
	"math"
	"slices"
	"time"

	"github.com/mil-run/mil/backend"
)

// costs are the costs of passes by their number of tokens, in passes of one
// token. Machines change their speed from one second to the next, so only
// passes that follow one another are compared.
type costs struct {
	curve           [backend.MaxVerify + 1]float64 // by tokens
	anchors, others ring                           // pairs with a pass of one token, which say most, and without
	last            timed                          // the pass before
	one             float64                        // seconds of a pass of one token, at present
	most            int                            // tokens of the largest pass
	alone           int                            // passes since one of a single token
	gap             int                            // and after how many the next is due

	seconds [backend.MaxVerify + 1]float64 // of passes, for reports
}

// timed is a pass, pair two that followed one another.
type (
	timed struct {
		tokens  int
		seconds float64
	}
	pair [2]timed
	// ring is the newest pairs.
	ring struct {
		list []pair
		next int
	}
)

const (
	firstGap   = 2 // passes before one of a single token is made only to measure it
	longestGap = 64
	remembered = 32  // pairs of either kind
	anchoring  = 4   // others count as much as a pair with a pass of one token
	recent     = 0.2 // weight of the newest in running means
)

// guess is the cost of each further token in a pass of n, before anything is
// measured. Larger passes are bound by arithmetic.
func guess(n int) float64 { return 0.12 + 0.01*float64(n) }

func newCosts() costs {
	c := costs{gap: firstGap}
	for n := range c.curve {
		c.curve[n] = 1 + guess(n)*float64(n-1)
	}
	return c
}

// of is the cost of a pass of the given number of tokens.
func (c *costs) of(tokens int) float64 { return c.curve[tokens] }

// reach is the largest pass to try: little more than twice the largest tried,
// since small passes say little of far larger ones.
func (c *costs) reach() int { return min(max(4, 2*c.most), backend.MaxVerify) }

// fit makes the curve from the pairs. A further token costs nearly the same at
// all sizes, so each size takes from the measurements of the others, most from
// the nearest. Medians pass over disturbed passes. Pairs of two larger passes
// say something only through the curve itself, and a few rounds settle it.
func (c *costs) fit() {
	weights := [...]int{anchoring, 1}
	var slopes [backend.MaxVerify + 1][]float64
	for range 3 {
		for n := range slopes {
			slopes[n] = slopes[n][:0]
		}
		for i, r := range []*ring{&c.anchors, &c.others} {
			for _, p := range r.list {
				for j, x := range p {
					y := p[1-j]
					if x.tokens == 1 {
						continue
					}
					slope := max(0, x.seconds/y.seconds*c.curve[y.tokens]-1) / float64(x.tokens-1)
					for range weights[i] {
						slopes[x.tokens] = append(slopes[x.tokens], slope)
					}
				}
			}
		}
		var median, count [backend.MaxVerify + 1]float64
		for n, s := range slopes {
			if len(s) > 0 {
				slices.Sort(s)
				median[n], count[n] = (s[(len(s)-1)/2]+s[len(s)/2])/2, float64(len(s))
			}
		}
		for n := 2; n < len(c.curve); n++ {
			sum, weight := guess(n), 1.0
			for m := range median {
				d := float64(n - m)
				w := count[m] / (1 + 2*d*d)
				sum += w * median[m]
				weight += w
			}
			c.curve[n] = 1 + float64(n-1)*sum/weight
		}
	}
}

// passed learns from a pass, except from one that prepared something.
func (c *costs) passed(tokens int, took time.Duration, measure bool) {
	if c.alone++; tokens == 1 {
		if c.alone > c.gap {
			c.gap = min(2*c.gap, longestGap)
		}
		c.alone = 0
	}
	c.most = max(c.most, tokens)
	if !measure {
		c.last = timed{}
		return
	}
	now := timed{tokens, took.Seconds()}
	c.seconds[tokens] = mix(c.seconds[tokens], now.seconds)
	if c.last.tokens > 0 && c.last.tokens != tokens {
		c.compare(pair{c.last, now})
	}
	c.last = now
	if one := now.seconds / c.of(tokens); c.one == 0 {
		c.one = one
	} else {
		c.one += 0.4 * (min(one, 3*c.one) - c.one)
	}
}

func (c *costs) compare(p pair) {
	r := &c.others
	if p[0].tokens == 1 || p[1].tokens == 1 {
		r = &c.anchors
	}
	if len(r.list) < remembered {
		r.list = append(r.list, p)
	} else {
		r.list[r.next] = p
		r.next = (r.next + 1) % remembered
	}
	c.fit()
}

// due says whether a pass of a single token is due, the measure of all others.
func (c *costs) due() bool { return c.alone >= c.gap }

// passes is a duration as passes of one token.
func (c *costs) passes(took time.Duration) float64 {
	if c.one == 0 {
		return 0
	}
	return took.Seconds() / c.one
}

func mix(old, now float64) float64 {
	if old == 0 {
		return now
	}
	// One interrupted pass must not count as the machine's speed.
	return old + recent*(math.Min(now, 3*old)-old)
}
