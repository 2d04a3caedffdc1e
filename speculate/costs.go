package speculate

import (
	"math"
	"slices"
	"time"

	"github.com/mil-run/mil/backend"
)

// Costs are the measured costs of passes by their number of tokens (or rows, of
// several sequences), in passes of one token. Machines change their speed from
// one second to the next, so only passes that follow one another are compared.
// It is not for two goroutines.
type Costs struct {
	curve           []float64 // by tokens
	anchors, others ring      // pairs with a pass of one token, which say most, and without
	last            timed     // the pass before
	one             float64   // seconds of a pass of one token, at present
	begun           []bool    // whether a pass of a size was made
	most            int       // tokens of the largest pass
	alone           int       // passes since one without a proposal
	gap             int       // and after how many the next is due
	base            int       // the size that the others are compared with; 0 is the smallest frequent one

	seconds []float64   // of passes, for reports
	slopes  [][]float64 // scratch
}

// NewCosts are those of passes of several sequences, up to most rows together.
func NewCosts(most int) *Costs {
	c := &Costs{
		gap: firstGap, curve: make([]float64, most+1), begun: make([]bool, most+1),
		seconds: make([]float64, most+1), slopes: make([][]float64, most+1),
	}
	for n := range c.curve {
		c.curve[n] = guessed(n)
	}
	return c
}

// newCosts are those of one sequence, whose measure is a pass of one token.
func newCosts() *Costs {
	c := NewCosts(backend.MaxVerify)
	c.base = 1
	return c
}

// Passed learns from a pass of that many rows, of which proposed were a draft's.
// The first pass of a size prepares something on most backends. It is counted and
// not measured.
func (c *Costs) Passed(rows, proposed int, took time.Duration) {
	c.count(rows, proposed == 0)
	if !c.begun[rows] {
		c.begun[rows], c.last = true, timed{}
		return
	}
	c.measure(rows, took)
}

// Of is the cost of a pass of that many tokens, or of the largest.
func (c *Costs) Of(tokens int) float64 { return c.curve[min(tokens, len(c.curve)-1)] }

// Seconds is the time of a pass of that many tokens at present, 0 before the
// first was measured.
func (c *Costs) Seconds(tokens int) float64 { return c.one * c.Of(tokens) }

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
func guess(n int) float64 { return 0.12 + 0.01*float64(min(n, backend.MaxVerify)) }

func guessed(n int) float64 { return 1 + guess(n)*float64(n-1) }

// reach is the largest pass to try: little more than twice the largest tried,
// since small passes say little of far larger ones.
func (c *Costs) reach() int { return min(max(4, 2*c.most), len(c.curve)-1) }

// fit makes the curve from the pairs. A further token costs nearly the same at
// all sizes, so each size takes from the measurements of the others, most from
// the nearest. Medians pass over disturbed passes. Pairs of two larger passes
// say something only through the curve itself, and a few rounds settle it.
func (c *Costs) fit() {
	weights := [...]int{anchoring, 1}
	base := c.smallest()
	slopes, of := c.slopes, c.curve[base] // slopes are in passes of the base
	median, count := make([]float64, len(c.curve)), make([]float64, len(c.curve))
	for range 3 {
		for n := range slopes {
			slopes[n] = slopes[n][:0]
		}
		for i, r := range []*ring{&c.anchors, &c.others} {
			for _, p := range r.list {
				for j, x := range p {
					y := p[1-j]
					if x.tokens <= base || y.tokens < base {
						continue
					}
					slope := max(0, x.seconds/y.seconds*c.curve[y.tokens]/of-1) / float64(x.tokens-base)
					for range weights[i] {
						slopes[x.tokens] = append(slopes[x.tokens], slope)
					}
				}
			}
		}
		for n, s := range slopes {
			median[n], count[n] = 0, 0
			if len(s) > 0 {
				slices.Sort(s)
				median[n], count[n] = (s[(len(s)-1)/2]+s[len(s)/2])/2, float64(len(s))
			}
		}
		for n := base + 1; n < len(c.curve); n++ {
			sum, weight := (guessed(n)/guessed(base)-1)/float64(n-base), 1.0
			for m := range median {
				d := float64(n - m)
				w := count[m] / (1 + 2*d*d)
				if c.base == 0 { // a slope over few rows is mostly noise
					w *= float64((m - base) * (m - base))
				}
				sum += w * median[m]
				weight += w
			}
			c.curve[n] = of * (1 + float64(n-base)*sum/weight)
		}
	}
}

// smallest is the base: of several sequences the smallest size in an eighth of
// the pairs. A pass of one row would be a better measure, but may never come.
func (c *Costs) smallest() int {
	if c.base > 0 {
		return c.base
	}
	counts, n := make([]int, len(c.curve)), 0
	for _, r := range []*ring{&c.anchors, &c.others} {
		for _, p := range r.list {
			counts[p[0].tokens]++
			counts[p[1].tokens]++
			n++
		}
	}
	for size, pairs := range counts {
		if 8*pairs >= n && pairs > 0 {
			return size
		}
	}
	return 1
}

// count counts a pass; plain says that it held no proposal.
func (c *Costs) count(tokens int, plain bool) {
	if c.alone++; plain {
		if c.alone > c.gap {
			c.gap = min(2*c.gap, longestGap)
		}
		c.alone = 0
	}
	c.most = max(c.most, tokens)
}

// measure compares a pass with the one before it.
func (c *Costs) measure(tokens int, took time.Duration) {
	now := timed{tokens, took.Seconds()}
	c.seconds[tokens] = mix(c.seconds[tokens], now.seconds)
	if c.last.tokens > 0 && c.last.tokens != tokens {
		c.compare(pair{c.last, now})
	}
	c.last = now
	if one := now.seconds / c.Of(tokens); c.one == 0 {
		c.one = one
	} else {
		c.one += 0.4 * (min(one, 3*c.one) - c.one)
	}
}

func (c *Costs) compare(p pair) {
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

// due says whether a pass without proposals is due, the measure of all others.
func (c *Costs) due() bool { return c.alone >= c.gap }

// Passes is a duration in the time of passes of one token, 0 before the first.
func (c *Costs) Passes(took time.Duration) float64 {
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
