package sample

import "math"

// softmax turns logits into probabilities.
func softmax(c []Candidate) {
	peak := float32(math.Inf(-1))
	for _, x := range c {
		peak = max(peak, x.P)
	}
	if math.IsInf(float64(peak), 0) { // all -Inf, or some +Inf: only the peak counts
		for i := range c {
			if c[i].P == peak {
				c[i].P = 1
			} else {
				c[i].P = 0
			}
		}
	} else {
		for i := range c {
			c[i].P = float32(math.Exp(float64(c[i].P - peak)))
		}
	}
	normalize(c)
}

// normalize makes the probabilities sum to 1.
func normalize(c []Candidate) {
	sum := float64(0)
	for _, x := range c {
		sum += float64(x.P)
	}
	for i := range c {
		c[i].P = float32(float64(c[i].P) / sum)
	}
}

// atLeast keeps candidates whose probability is at least p times the best's.
func atLeast(c []Candidate, p float32) []Candidate {
	peak := float32(0)
	for _, x := range c {
		peak = max(peak, x.P)
	}
	kept := c[:0]
	for _, x := range c {
		if x.P >= p*peak {
			kept = append(kept, x)
		}
	}
	return kept
}

// best moves candidates from the best down to the front and returns them. take
// decides when to stop, given how many were taken and the next one. A heap
// makes that linear in the vocabulary when few are taken, which a sort is not.
func best(c []Candidate, take func(n int, next Candidate) bool) []Candidate {
	n := len(c)
	for i := n/2 - 1; i >= 0; i-- {
		down(c, i)
	}
	taken := 0
	for taken < n && take(taken, c[0]) {
		taken++
		c[0], c[n-taken] = c[n-taken], c[0]
		down(c[:n-taken], 0)
	}
	// They lie at the end, best last.
	c = c[n-taken:]
	for i, j := 0, len(c)-1; i < j; i, j = i+1, j-1 {
		c[i], c[j] = c[j], c[i]
	}
	return c
}

// before orders candidates: the more probable first, then the lower id, so
// that equal ones come out the same way every time.
func before(a, b Candidate) bool { return a.P > b.P || a.P == b.P && a.ID < b.ID }

// down restores the heap below i.
func down(c []Candidate, i int) {
	for {
		kid := 2*i + 1
		if kid >= len(c) {
			return
		}
		if r := kid + 1; r < len(c) && before(c[r], c[kid]) {
			kid = r
		}
		if !before(c[kid], c[i]) {
			return
		}
		c[i], c[kid] = c[kid], c[i]
		i = kid
	}
}
