package sample

import "math"

// Ranked returns the result of [Sampler.Candidates] for a row whose best logits
// alone are known, after the repeat penalty, the best first. sum is that of
// exp((logit - the best) / temperature) over the whole row. whole says that the
// row has no others. ok is false where the filters may keep tokens beyond the
// best, so that the whole row is needed. The slice is valid until the next
// call.
func (s *Sampler) Ranked(ids []int32, logits []float32, sum float64, whole bool) (c []Candidate, ok bool) {
	if s.o.Temp == 0 {
		s.list = append(s.list[:0], Candidate{ids[0], 1})
		return s.list, true
	}
	s.list = s.list[:0]
	for i, id := range ids {
		s.list = append(s.list, Candidate{id, logits[i] / s.o.Temp})
	}
	c = s.list
	k, peak := s.o.TopK, float64(c[0].P)
	if math.IsInf(peak, 0) || math.IsNaN(peak) {
		return nil, false
	}
	if k > 0 && k <= len(c) {
		c = c[:k]
		softmax(c)
	} else {
		if k > 0 && !whole {
			return nil, false
		}
		for i := range c {
			c[i].P = float32(math.Exp(float64(c[i].P)-peak) / sum)
		}
	}
	bounded := whole || k > 0
	if p := s.o.TopP; p > 0 && p < 1 {
		n, take := 0, upTo(p)
		for n < len(c) && take(n, c[n]) {
			n++
		}
		bounded = bounded || n < len(c)
		c = c[:n]
	}
	if s.o.MinP > 0 {
		bounded = bounded || c[len(c)-1].P < s.o.MinP*c[0].P
	}
	if !bounded {
		return nil, false
	}
	return s.last(c), true
}

// Bounds reports whether these options can leave few tokens of a row, so that
// most of those left are known. If not, ranking the row is in vain.
func (o Options) Bounds(most int) bool {
	return o.Temp < LeastTemp || o.TopK > 0 && o.TopK <= most || o.TopK == 0 && (o.TopP > 0 && o.TopP < 1 || o.MinP > 0)
}

// Options are those the sampler was made with. A greedy temperature is 0.
func (s *Sampler) Options() Options { return s.o }
