package speculate

import (
	"math"
	"time"

	"github.com/mil-run/mil/backend"
)

// costs are the measured times of passes by their number of tokens, and of
// drafting a token. Recent passes count more: machines change their speed.
type costs struct {
	pass  [backend.Verify + 1]float64 // seconds; 0 is not measured yet
	age   [backend.Verify + 1]int     // passes since it was measured
	draft float64                     // seconds a drafted token
}

// recent is the weight of the newest measurement.
const recent = 0.2

func mix(old, now float64) float64 {
	if old == 0 {
		return now
	}
	// One interrupted pass must not count as the machine's speed.
	return old + recent*(math.Min(now, 3*old)-old)
}

func (c *costs) passed(tokens int, took time.Duration) {
	for i := range c.age {
		c.age[i]++
	}
	c.age[tokens] = 0
	c.pass[tokens] = mix(c.pass[tokens], took.Seconds())
}

func (c *costs) drafted(tokens int, took time.Duration) {
	if tokens > 0 {
		c.draft = mix(c.draft, took.Seconds()/float64(tokens))
	}
}

// of is the time of a pass of so many tokens: measured, between its measured
// neighbours (below a straight line, since the first tokens more are the cheap
// ones), or from the nearest one at a slope; both on the hopeful side, so that it
// gets tried.
func (c *costs) of(tokens int) float64 {
	const slope = 0.03 // of a pass for each further token
	if c.pass[tokens] > 0 {
		return c.pass[tokens]
	}
	lo, hi := tokens, tokens
	for lo > 0 && c.pass[lo] == 0 {
		lo--
	}
	for hi < len(c.pass) && c.pass[hi] == 0 {
		hi++
	}
	switch {
	case lo > 0 && hi < len(c.pass):
		f := float64(tokens-lo) / float64(hi-lo)
		return c.pass[lo] + f*f*(c.pass[hi]-c.pass[lo])
	case lo > 0:
		return c.pass[lo] * (1 + slope*float64(tokens-lo))
	case hi < len(c.pass):
		return c.pass[hi] / (1 + slope*float64(hi-tokens))
	}
	return 0
}

// worth says whether an n-th token should be drafted when all before it are
// right with the given likelihood: what it may save against what it costs.
func (c *costs) worth(n int, likely float64) bool {
	one := c.of(1)
	if one == 0 || n <= 1 {
		return true
	}
	more := c.of(min(n+1, backend.Verify)) - c.of(n) + c.draft
	return likely*one > more
}

// control chooses K for one source of proposals from how often they are right.
type control struct {
	right, tried float64 // tokens, the older the lighter
	k            int
	sleep, nap   int // passes to sit out, and how many the next time
}

const (
	memory  = 0.98 // of a judged token, for each judged later
	minGain = 1.03 // what a draft must promise
	firstK  = 3
	shortly = 16      // passes to sit out after the first failure
	longest = 1 << 10 // and at most
)

// newControl starts hopeful: as if half a dozen tokens had been right.
func newControl() *control { return &control{right: 5, tried: 6, k: firstK, nap: shortly} }

// rate is the likelihood that a proposed token is right when those before it are.
func (c *control) rate() float64 { return c.right / c.tried }

// plan chooses K: the one with most tokens a second. 0 sits out for a while,
// longer each time in a row, and then tries once more.
func (c *control) plan(t *costs) int {
	if c.sleep > 0 {
		c.k = 0
		return 0
	}
	one := t.of(1)
	if one == 0 { // nothing measured yet
		c.k = firstK
		return c.k
	}
	if t.age[1] > 128 && t.pass[1] > 0 || t.pass[1] == 0 && t.age[1] > 4 {
		c.k = 0 // the pass without a draft is the measure of all others: keep it fresh
		return 0
	}
	best, speed := 0, minGain/one
	expected, likely := 1.0, 1.0
	for k := 1; k <= MaxDraft; k++ {
		likely *= c.rate()
		expected += likely
		if s := expected / (t.of(k+1) + float64(k)*t.draft); s > speed {
			best, speed = k, s
		}
	}
	if best == 0 {
		c.sleep, c.nap = c.nap, min(2*c.nap, longest)
		// When it wakes, it deserves a hearing: forget most of what was.
		c.right, c.tried = c.right*0.2+0.9, c.tried*0.2+1
	}
	c.k = best
	return best
}

// judge learns from a proposal of n tokens of which the first accepted were
// right; those behind the first wrong one tell nothing.
func (c *control) judge(n, accepted int) {
	for i := range min(n, accepted+1) {
		c.right, c.tried = c.right*memory, c.tried*memory+1
		if i < accepted {
			c.right++
		}
	}
	if 2*accepted > n {
		c.nap = shortly
	}
}

// rest passes a pass without a proposal.
func (c *control) rest() { c.sleep = max(0, c.sleep-1) }
