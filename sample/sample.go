// Package sample turns a row of logits into a token.
//
// The filters run in the order of Hugging Face's generate, since the defaults
// come from a checkpoint's generation_config.json: repeat penalty, temperature,
// top-k, top-p, min-p. They leave a distribution ([Sampler.Candidates]), from
// which one token is sampled ([Sampler.Sample]).
package sample

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/mil-run/mil/backend"
)

// Options say how tokens are chosen. The zero value is greedy.
type Options struct {
	Temp          float32 // below LeastTemp takes the best token
	TopK          int     // keep the K best tokens; 0 keeps all
	TopP          float32 // keep the best tokens whose probabilities sum to TopP; 0 or 1 keeps all
	MinP          float32 // keep tokens at least MinP times as probable as the best; 0 keeps all
	RepeatPenalty float32 // divides (or multiplies, when negative) the logits of recent tokens; 0 or 1 is none
	Seed          uint64
}

// LeastTemp is the lowest temperature that samples. Below it only ties with the
// best token would be left, and logits divided by it would leave float32's
// range.
const LeastTemp = 1e-6

// ErrLogits is wrapped by the error about a row that holds NaN or an infinity.
var ErrLogits = errors.New("the logits are no numbers")

// LogitsError is ErrLogits with the token of the text that the row was to predict.
func LogitsError(token int) error {
	return fmt.Errorf("%w at token %d of the text", ErrLogits, token)
}

// Finite reports whether every logit of a row is a finite number.
func Finite(row []float32) bool {
	// A finite number times zero adds nothing, any other value makes the sum NaN.
	var a, b, c, d float32
	for len(row) >= 4 {
		a += row[0] * 0
		b += row[1] * 0
		c += row[2] * 0
		d += row[3] * 0
		row = row[4:]
	}
	for _, v := range row {
		a += v * 0
	}
	return a+b+c+d == 0
}

// RepeatWindow is how many of the newest tokens the repeat penalty looks at.
const RepeatWindow = backend.RankWindow

// Candidate is a token that may be sampled.
type Candidate struct {
	ID int32
	// P is its probability once all filters ran. While they run it is the
	// logit.
	P float32
}

// Sampler samples tokens. It is not for two goroutines.
type Sampler struct {
	o    Options
	pcg  *rand.PCG
	rng  *rand.Rand
	list []Candidate
	seen map[int32]bool
	// draft is the draft's probability of each token, zero between calls of Check.
	draft []float32
}

// New makes a sampler; the same options and logits give the same tokens.
func New(o Options) *Sampler {
	if o.Temp < LeastTemp {
		o.Temp = 0
	}
	pcg := rand.NewPCG(o.Seed, 0)
	return &Sampler{o: o, pcg: pcg, rng: rand.New(pcg), seen: map[int32]bool{}}
}

// Random is the state of the random numbers, for SetRandom.
func (s *Sampler) Random() ([]byte, error) { return s.pcg.MarshalBinary() }

// SetRandom goes on with the random numbers of a state.
func (s *Sampler) SetRandom(state []byte) error { return s.pcg.UnmarshalBinary(state) }

// Sample samples a token from a row of logits [vocabulary]. recent is the text
// so far, oldest first, for the repeat penalty. With a temperature of 0 it
// takes the best token, and the first of several equal ones.
func (s *Sampler) Sample(logits []float32, recent []int32) int32 {
	return s.Draw(s.Candidates(logits, recent))
}

// Draw samples from a distribution that [Sampler.Candidates] gave.
func (s *Sampler) Draw(c []Candidate) int32 {
	if s.o.Temp == 0 {
		return c[0].ID
	}
	// Float64, so that adding up many small probabilities loses nothing that matters.
	u := s.rng.Float64()
	for _, x := range c[:len(c)-1] {
		if u -= float64(x.P); u < 0 {
			return x.ID
		}
	}
	return c[len(c)-1].ID
}

// Candidates returns the tokens that pass the filters and their probabilities,
// which sum to 1. A temperature of 0 leaves the best token alone. The slice is
// valid until the next call.
func (s *Sampler) Candidates(logits []float32, recent []int32) []Candidate {
	if s.o.Temp == 0 {
		s.list = append(s.list[:0], Candidate{s.best(logits, recent), 1})
		return s.list
	}
	s.fill(logits)
	s.penalize(recent)
	for i := range s.list {
		s.list[i].P /= s.o.Temp
	}
	c := s.list
	if k := s.o.TopK; k > 0 && k < len(c) {
		c = best(c, func(n int, _ Candidate) bool { return n < k })
	}
	softmax(c)
	if p := s.o.TopP; p > 0 && p < 1 {
		c = best(c, upTo(p))
	}
	return s.last(c)
}

// upTo takes candidates until their probabilities sum to p.
func upTo(p float32) func(n int, x Candidate) bool {
	sum := float64(0)
	return func(n int, x Candidate) bool {
		more := n == 0 || sum < float64(p)
		sum += float64(x.P)
		return more
	}
}

// last applies the last filter and normalizes the result.
func (s *Sampler) last(c []Candidate) []Candidate {
	if s.o.MinP > 0 {
		c = atLeast(c, s.o.MinP)
	}
	normalize(c)
	return c
}

// fill lists all tokens with their logits. NaN counts as the least likely.
func (s *Sampler) fill(logits []float32) {
	if cap(s.list) < len(logits) {
		s.list = make([]Candidate, len(logits))
	}
	s.list = s.list[:len(logits)]
	for i, v := range logits {
		if v != v {
			v = float32(math.Inf(-1))
		}
		s.list[i] = Candidate{int32(i), v}
	}
}

// penalize makes recent tokens less likely (Keskar et al., "CTRL", 2019).
func (s *Sampler) penalize(recent []int32) {
	for id := range s.penalized(recent) {
		s.list[id].P = s.penalty(s.list[id].P)
	}
}

// penalized is the set of tokens the repeat penalty applies to.
func (s *Sampler) penalized(recent []int32) map[int32]bool {
	clear(s.seen)
	if s.o.RepeatPenalty != 0 && s.o.RepeatPenalty != 1 {
		for _, id := range recent[max(0, len(recent)-RepeatWindow):] {
			s.seen[id] = true
		}
	}
	return s.seen
}

func (s *Sampler) penalty(logit float32) float32 {
	if logit > 0 {
		return logit / s.o.RepeatPenalty
	}
	return logit * s.o.RepeatPenalty
}

// best is the token with the highest logit after the repeat penalty.
func (s *Sampler) best(logits []float32, recent []int32) int32 {
	seen := s.penalized(recent)
	at, peak := int32(0), float32(math.Inf(-1))
	for i, v := range logits {
		if len(seen) > 0 && seen[int32(i)] {
			v = s.penalty(v)
		}
		if v > peak {
			at, peak = int32(i), v
		}
	}
	return at
}
