package sample

import (
	"math"

	"github.com/mil-run/mil/backend"
)

// SampleRanked is [Sampler.Sample] from a row whose best logits alone are known,
// as [Sampler.Ranking] asks for them. whole says that the row has no others. ok is false
// where the filters may keep tokens beyond the best, so that the whole row is
// needed. The token is that of the whole row, unless the rounding of Sum lets
// top-p cut at another place.
func (s *Sampler) SampleRanked(b *backend.Best, whole bool, text []int32) (id int32, ok bool) {
	if s.o.Temp == 0 {
		if s.last = (last{}); b.Sum > 0 {
			s.last.sure = 1 / b.Sum
		}
		s.noteRanked(b, b.Tokens[0])
		return b.Tokens[0], true
	}
	c, ok := s.ranked(b, whole)
	if !ok {
		return 0, false
	}
	s.last = last{list: c}
	id = noiseAt(s.o.Seed, len(text)).choose(c, s.inv)
	s.noteRanked(b, id)
	return id, true
}

// ranked is kept for a ranked row.
func (s *Sampler) ranked(b *backend.Best, whole bool) (c []Candidate, ok bool) {
	peak := b.Logits[0]
	if math.IsInf(float64(peak), 0) || math.IsNaN(float64(peak)) {
		return nil, false
	}
	s.list = s.list[:0]
	for i, id := range b.Tokens {
		s.list = append(s.list, Candidate{id, b.Logits[i]})
	}
	c = s.list
	k, all := s.o.TopK, b.Sum
	switch {
	case k > 0 && k <= len(c):
		c = c[:k]
		all = s.weights(c, peak)
	case k > 0 && !whole:
		return nil, false
	}
	bounded := whole || k > 0
	if s.o.cuts() {
		n, take := 0, s.upTo(peak, all)
		for n < len(c) && take(n, c[n]) {
			n++
		}
		bounded = bounded || n < len(c)
		c = c[:n]
	}
	if s.o.MinP > 0 {
		least := s.least(peak, float64(s.o.MinP))
		bounded = bounded || c[len(c)-1].P < least
		c = atLeast(c, least)
	}
	return c, bounded
}

// Bounds reports whether these options can leave few tokens of a row, so that
// most of those left are known. If not, ranking the row is in vain. Options that
// change or read more of a row than the ranking does need whole rows.
func (o Options) Bounds(most int) bool {
	if len(o.Bias) > 0 || o.counts() || o.Logprobs && !o.ranksLogprobs() {
		return false
	}
	return o.Temp < LeastTemp || o.TopK > 0 && o.TopK <= most || o.TopK == 0 && (o.cuts() || o.MinP > 0)
}

// Ranking is how a backend may rank rows for [Sampler.SampleRanked].
func (s *Sampler) Ranking() (r backend.Ranking, ok bool) {
	r = backend.Ranking{Penalty: s.o.RepeatPenalty, Temp: s.o.Temp}
	if r.Temp == 0 && s.o.Logprobs {
		r.Temp = 1 // the best is the same, and Sum comes with it
	}
	return r, s.Bounds(backend.MaxCandidates)
}
