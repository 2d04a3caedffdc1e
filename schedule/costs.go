package schedule

import (
	"time"

	"github.com/mil-run/mil/speculate"
)

// costs are the measured times of steps, the newest weighing most.
type costs struct {
	rows  *speculate.Costs // of passes by their rows
	made  float64          // tokens of a pass lately
	spent float64          // and its time, in passes of one row
	piece curve            // by units of prompt
}

func newCosts(l Limits) costs {
	return costs{
		rows: speculate.NewCosts(l.Rows), made: 1, spent: 1,
		piece: newCurve(mostUnits, func(n int) float64 { return float64(n) }),
	}
}

// recent is the weight of the newest in running means.
const recent = 0.2

// passed learns from a pass. It had that many rows, of which proposed were
// drafts', and made that many tokens.
func (c *costs) passed(rows, proposed, tokens int, took time.Duration) {
	c.rows.Passed(rows, proposed, took)
	c.made += recent * (float64(tokens) - c.made)
	c.spent += recent * (c.rows.Of(rows) - c.spent)
}

// speed is how many tokens all requests made lately in the time of a pass of one
// row.
func (c *costs) speed() float64 { return c.made / c.spent }

// mostUnits are the units of the longest piece that is measured for itself.
const mostUnits = 64

// curve is a cost by size, from 1 on. Sizes that were not measured follow their
// nearest measured neighbours along the expected shape.
type curve struct {
	shape   []float64 // expected, in costs of size 1
	ratio   []float64 // measured by expected, in seconds; 0 is not measured
	started []bool    // a size's first step prepares something and is no measure
}

func newCurve(most int, shape func(n int) float64) curve {
	c := curve{make([]float64, most+1), make([]float64, most+1), make([]bool, most+1)}
	for n := 1; n <= most; n++ {
		c.shape[n] = shape(n)
	}
	return c
}

// took learns from one step.
func (c *curve) took(n int, d time.Duration) {
	n = min(n, len(c.shape)-1)
	if !c.started[n] {
		c.started[n] = true
		return
	}
	now := d.Seconds() / c.shape[n]
	if old := c.ratio[n]; old > 0 {
		// One interrupted step must not count as the machine's speed.
		now = old + recent*(min(now, 3*old)-old)
	}
	c.ratio[n] = now
}

// known reports whether anything was measured.
func (c *curve) known() bool { return c.of(1) > 0 }

// of is the cost of a size in seconds, 0 where nothing was measured.
func (c *curve) of(n int) float64 {
	k := min(n, len(c.shape)-1)
	below, above := k, k
	for below > 0 && c.ratio[below] == 0 {
		below--
	}
	for above < len(c.ratio) && c.ratio[above] == 0 {
		above++
	}
	var r float64
	switch {
	case below > 0 && above < len(c.ratio) && above > below:
		part := float64(k-below) / float64(above-below)
		r = c.ratio[below] + part*(c.ratio[above]-c.ratio[below])
	case below > 0:
		r = c.ratio[below]
	case above < len(c.ratio):
		r = c.ratio[above]
	}
	return r * c.shape[k] * float64(n) / float64(k)
}
