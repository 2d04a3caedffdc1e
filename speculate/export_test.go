package speculate

import "time"

// Doubtful goes on with a draft that is sure of its best token, and mostly stops
// where it is not.
func Doubtful(sure float64) Paces {
	c, t := newControl(), newCosts()
	for i := range c.right {
		c.right[i] = ratioOf{0.01, 1}
		if i >= level(sure) {
			c.right[i] = ratioOf{1, 1}
		}
	}
	return func(string) *Pace { return &Pace{c: c, terms: alone(t), likely: 1, clock: time.Now} }
}
