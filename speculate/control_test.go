package speculate

import (
	"math/rand/v2"
	"testing"
	"time"
)

// simulate makes n tokens with a draft whose tokens are right at the given rate
// on a machine with the given costs, and returns the time over that of making
// them one by one.
func simulate(r *rand.Rand, n int, rate, draft float64, pass func(tokens int) float64) (share float64, ks map[int]int) {
	var t costs
	c := newControl()
	ks = map[int]int{}
	total, made := 0.0, 0
	seconds := func(x float64) time.Duration { return time.Duration(x * (0.97 + 0.06*r.Float64()) * 1e9) }
	for made < n {
		k := c.plan(&t)
		ks[k]++
		drafting := float64(k) * draft
		took := seconds(pass(1 + k))
		total += drafting + took.Seconds()
		t.drafted(k, time.Duration(drafting*1e9))
		t.passed(1+k, took)
		accepted := 0
		for accepted < k && r.Float64() < rate {
			accepted++
		}
		made += 1 + accepted
		if k > 0 {
			c.judge(k, accepted)
		} else {
			c.rest()
		}
	}
	return total / (float64(made) * pass(1)), ks
}

// Speculation is never more than 3% slower than none, and near the best fixed
// K where it pays.
func TestControl(t *testing.T) {
	linear := func(slope float64) func(int) float64 {
		return func(tokens int) float64 { return 0.06 * (1 + slope*float64(tokens-1)) }
	}
	for _, c := range []struct {
		name        string
		rate, draft float64
		pass        func(int) float64
		most        float64 // of the time without a draft
	}{
		{"hostile", 0, 0.005, linear(0.1), 1.03},
		{"hostile, free", 0, 0, linear(0.1), 1.03},
		{"hostile, dear passes", 0, 0, linear(1), 1.03},
		{"poor", 0.2, 0.01, linear(0.2), 1.03},
		{"dear passes", 0.8, 0.001, linear(1), 1.03},
		{"good", 0.85, 0.005, linear(0.1), 0.50},
		{"lookup, quoting", 0.98, 0, linear(0.08), 0.22},
		{"middling", 0.6, 0.006, linear(0.1), 0.75},
	} {
		r := rand.New(rand.NewPCG(1, 7))
		share, ks := simulate(r, 3000, c.rate, c.draft, c.pass)
		best := 1.0
		for k := 1; k <= MaxDraft; k++ {
			expected, likely := 1.0, 1.0
			for range k {
				likely *= c.rate
				expected += likely
			}
			best = min(best, (c.pass(1+k)+float64(k)*c.draft)/expected/c.pass(1))
		}
		t.Logf("%s: %.3f of the time without a draft, the best fixed K %.3f; K %v", c.name, share, best, ks)
		if share > c.most || share > best*1.08 {
			t.Errorf("%s: %.3f of the time without a draft, the best fixed K gives %.3f", c.name, share, best)
		}
	}
}
