package sample

import "math"

// The filters see logits, after the penalty and before the temperature. A
// weight is exp((logit - the best) / temperature).

// weight of a logit, where peak is the best. Of infinite peaks only the peak
// counts.
func (s *Sampler) weight(x, peak float32) float64 {
	if x == peak {
		return 1
	}
	return math.Exp((float64(x) - float64(peak)) * s.inv)
}

// weights is their sum.
func (s *Sampler) weights(c []Candidate, peak float32) float64 {
	sum := 0.0
	for _, x := range c {
		sum += s.weight(x.P, peak)
	}
	return sum
}

// probabilities turns logits into probabilities.
func (s *Sampler) probabilities(c []Candidate) {
	peak := peakOf(c)
	sum := s.weights(c, peak)
	for i := range c {
		c[i].P = float32(s.weight(c[i].P, peak) / sum)
	}
}

func peakOf(c []Candidate) float32 {
	peak := float32(math.Inf(-1))
	for _, x := range c {
		peak = max(peak, x.P)
	}
	return peak
}

// upTo takes candidates, the best first, until their weights reach TopP of all.
func (s *Sampler) upTo(peak float32, all float64) func(n int, x Candidate) bool {
	sum, enough := 0.0, float64(s.o.TopP)*all
	return func(n int, x Candidate) bool {
		more := n == 0 || sum < enough
		sum += s.weight(x.P, peak)
		return more
	}
}

// least is the lowest logit whose weight is at least share, and no more than the
// best.
func (s *Sampler) least(peak float32, share float64) float32 {
	if share == 0 || math.IsInf(float64(peak), 0) {
		return float32(math.Inf(-1))
	}
	return min(peak, float32(float64(peak)+math.Log(share)/s.inv))
}

// atLeast keeps candidates with at least this logit.
func atLeast(c []Candidate, least float32) []Candidate {
	kept := c[:0]
	for _, x := range c {
		if x.P >= least {
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
