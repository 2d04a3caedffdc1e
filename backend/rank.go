package backend

import (
	"math"
	"slices"
)

// MaxCandidates is how many of a row's logits a [Ranker] gives, or all of a smaller
// vocabulary. RankWindow is how many of the newest tokens the repeat penalty
// looks at.
const (
	MaxCandidates = 128
	RankWindow    = 64
)

// Ranking asks for the best logits of a segment's rows in place of all of them.
type Ranking struct {
	// Penalty divides (or multiplies, when negative) the logits of the last
	// RankWindow tokens up to the row's own, each once; 0 or 1 is none.
	Penalty float32
	Recent  []int32 // the segment's tokens before the pass, oldest first
	Temp    float32 // of Best.Sum; 0 wants the best token alone
}

// Best is the top of a row of logits after the penalty.
type Best struct {
	Tokens []int32 // the best first, of equal ones the lower
	Logits []float32
	Sum    float64 // of exp((logit - the best) / Temp) over the whole row
}

// Ranker is an Exec that ranks rows where they are, so that a token brings few
// bytes to the host. Its result is that of [Rank], except for the rounding of
// Sum.
type Ranker interface {
	Exec
	// RunRanked is Run for a logged program. ranks has one ranking for each segment.
	// The result is valid until the next pass.
	RunRanked(p *Params, ranks []Ranking) ([]Best, error)
	// Row is one whole row of the last RunRanked's logits, without a penalty.
	Row(i int) ([]float32, error)
}

// Rank is the definition: the best of one row of logits, where recent is the
// tokens up to the row's own. A NaN counts as the least likely.
func Rank(row []float32, recent []int32, r *Ranking) Best {
	v := slices.Clone(row)
	for i, x := range v {
		if x != x {
			v[i] = float32(math.Inf(-1))
		}
	}
	if r.Penalty != 0 && r.Penalty != 1 {
		window := slices.Clone(recent[max(0, len(recent)-RankWindow):])
		slices.Sort(window)
		for _, id := range slices.Compact(window) {
			if v[id] > 0 {
				v[id] /= r.Penalty
			} else {
				v[id] *= r.Penalty
			}
		}
	}
	ids := make([]int32, len(v))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int {
		switch {
		case v[a] > v[b]:
			return -1
		case v[a] < v[b]:
			return 1
		}
		return 0
	})
	b := Best{Tokens: ids[:min(MaxCandidates, len(ids))]}
	for _, id := range b.Tokens {
		b.Logits = append(b.Logits, v[id])
	}
	if r.Temp == 0 {
		return Best{Tokens: b.Tokens[:1], Logits: b.Logits[:1]}
	}
	for _, x := range v {
		if peak := b.Logits[0]; !math.IsInf(float64(peak), -1) {
			b.Sum += math.Exp(float64(x-peak) / float64(r.Temp))
		}
	}
	return b
}
