package sample

import (
	"math"

	"github.com/mil-run/mil/backend"
)

// Logprob is a token and its log-probability.
type Logprob struct {
	ID      int32
	Logprob float64
}

// Logprobs are log-probabilities of one position, as the model gives them: of
// the row itself, at a temperature of 1, before bias, penalties, mask and
// filters.
type Logprobs struct {
	Chosen Logprob
	Top    []Logprob // the best TopLogprobs tokens, the best first, of equal ones the lower
}

// Logprobs is those of the token sampled last. ok is false where the options ask
// for none. The slice is the caller's.
func (s *Sampler) Logprobs() (l Logprobs, ok bool) {
	if !s.o.Logprobs {
		return l, false
	}
	return s.logprobs, true
}

// note keeps the log-probabilities of a row.
func (s *Sampler) note(row []float32, id int32) {
	if s.o.Logprobs {
		s.logprobs = RowLogprobs(row, id, s.o.TopLogprobs)
	}
}

// RowLogprobs is the log-probability of a token in a row of logits, and those of
// the best most tokens. The row holds finite numbers.
func RowLogprobs(row []float32, id int32, most int) Logprobs {
	peak := float64(row[top(row)])
	sum := 0.0
	for _, x := range row {
		sum += math.Exp(float64(x) - peak)
	}
	all := peak + math.Log(sum)
	l := Logprobs{Chosen: Logprob{id, float64(row[id]) - all}}
	n := min(most, len(row))
	for i, x := range row {
		p := float64(x) - all
		if at := len(l.Top); at < n || n > 0 && p > l.Top[at-1].Logprob {
			if at < n {
				l.Top = append(l.Top, Logprob{})
			} else {
				at--
			}
			for ; at > 0 && p > l.Top[at-1].Logprob; at-- {
				l.Top[at] = l.Top[at-1]
			}
			l.Top[at] = Logprob{int32(i), p}
		}
	}
	return l
}

// noteRanked is note for a ranked row without penalty, with Sum at a temperature
// of 1.
func (s *Sampler) noteRanked(b *backend.Best, id int32) {
	if !s.o.Logprobs {
		return
	}
	all := float64(b.Logits[0]) + math.Log(b.Sum)
	l := Logprobs{}
	for i, token := range b.Tokens {
		p := Logprob{token, float64(b.Logits[i]) - all}
		if token == id {
			l.Chosen = p
		}
		if i < s.o.TopLogprobs {
			l.Top = append(l.Top, p)
		}
	}
	s.logprobs = l
}

// ranksLogprobs says whether a ranked row gives the log-probabilities.
func (o *Options) ranksLogprobs() bool {
	return (o.Temp < LeastTemp || o.Temp == 1) && !o.penalizes()
}
