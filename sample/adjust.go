package sample

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Logits are adjusted in this order before the temperature: bias, repeat
// penalty, presence and frequency penalty, mask.

// Bounds of options that programs set.
const (
	MostBias     = 1024 // entries of a bias
	MostLogprobs = 20   // best tokens whose log-probabilities are given
	biasSize     = 100  // of an entry
)

// Mask says which tokens may follow a text: bit i%32 of word i/32 stands for token
// i. Tokens behind the last word may not follow. nil allows all. The words are
// read before the next call.
type Mask func(text []int32) []uint32

// ErrMask is the error of a row whose mask allows no token.
var ErrMask = errors.New("the constraint on the output allows no token")

// SetMask makes the sampler ask m before each token. A nil m ends this.
func (s *Sampler) SetMask(m Mask) { s.mask = m }

// Begin says that a reply begins at a position. The presence and frequency
// penalty count the tokens from there on: those of the prompt and of earlier
// replies do not count.
func (s *Sampler) Begin(pos int) { s.begin = pos }

// Bounds is [Options.Bounds] for the sampler, which needs whole rows for a mask.
func (s *Sampler) Bounds(most int) bool { return s.mask == nil && s.o.Bounds(most) }

// adjust is the row with bias, penalties and mask, which is a copy where there
// are any. It is valid until the next call.
func (s *Sampler) adjust(logits []float32, text []int32) []float32 {
	if s.mask == nil && !s.o.penalizes() && !s.o.counts() && len(s.o.Bias) == 0 {
		return logits
	}
	s.row = append(s.row[:0], logits...)
	for id, b := range s.o.Bias {
		if id >= 0 && int(id) < len(s.row) { // a draft may have fewer rows
			s.row[id] += b
		}
	}
	if s.o.penalizes() {
		s.repeat(text[max(0, len(text)-RepeatWindow):])
	}
	if s.o.counts() {
		for id, n := range s.held(text) {
			s.row[id] -= float32(s.o.FrequencyPenalty*float32(n)) + s.o.PresencePenalty
		}
	}
	if s.mask != nil {
		s.allow(s.mask(text))
	}
	return s.row
}

// repeat makes recent tokens less likely, each once (Keskar et al., "CTRL", 2019).
func (s *Sampler) repeat(recent []int32) {
	for i, id := range recent {
		if slices.Contains(recent[:i], id) {
			continue
		}
		if x := &s.row[id]; *x > 0 {
			*x /= s.o.RepeatPenalty
		} else {
			*x *= s.o.RepeatPenalty
		}
	}
}

// held is how often the reply holds each of its tokens. It follows the text
// forwards and back.
func (s *Sampler) held(text []int32) map[int32]int {
	reply := text[min(s.begin, len(text)):]
	same := 0
	for same < min(len(reply), len(s.reply)) && reply[same] == s.reply[same] {
		same++
	}
	for _, id := range s.reply[same:] {
		if s.times[id]--; s.times[id] == 0 {
			delete(s.times, id)
		}
	}
	if s.times == nil {
		s.times = map[int32]int{}
	}
	for _, id := range reply[same:] {
		s.times[id]++
	}
	s.reply = append(s.reply[:same], reply[same:]...)
	return s.times
}

// allow takes out the tokens that a mask does not allow.
func (s *Sampler) allow(words []uint32) {
	if words == nil {
		return
	}
	for i := range s.row {
		if w := i / 32; w >= len(words) || words[w]>>(i%32)&1 == 0 {
			s.row[i] = float32(math.Inf(-1))
		}
	}
}

// barred says whether the mask left nothing, so that even the chosen token is
// not allowed.
func (s *Sampler) barred(row []float32, id int32) bool {
	return s.mask != nil && math.IsInf(float64(row[id]), -1)
}

// penalizes says whether there is a repeat penalty.
func (o *Options) penalizes() bool { return o.RepeatPenalty != 0 && o.RepeatPenalty != 1 }

// counts says whether a reply's tokens count.
func (o *Options) counts() bool { return o.PresencePenalty != 0 || o.FrequencyPenalty != 0 }

// extras checks the options that the table of parameters does not hold.
func (o *Options) extras() error {
	switch {
	case len(o.Bias) > MostBias:
		return paramError{fmt.Sprintf("logit bias has %d entries; at most %d are allowed", len(o.Bias), MostBias)}
	case o.TopLogprobs < 0 || o.TopLogprobs > MostLogprobs:
		return paramError{fmt.Sprintf("top logprobs %d is not between 0 and %d", o.TopLogprobs, MostLogprobs)}
	case o.TopLogprobs > 0 && !o.Logprobs:
		return paramError{"top logprobs need logprobs"}
	}
	for id, b := range o.Bias {
		if id < 0 {
			return paramError{fmt.Sprintf("logit bias names token %d", id)}
		}
		if !(b >= -biasSize && b <= biasSize) {
			return paramError{fmt.Sprintf("logit bias %g of token %d is not between %d and %d", b, id, -biasSize, biasSize)}
		}
	}
	return nil
}

// Fits refuses options that name a token which a vocabulary of that size lacks.
// The error is ErrParam.
func (o *Options) Fits(vocab int) error {
	for id := range o.Bias {
		if int(id) >= vocab {
			return paramError{fmt.Sprintf("logit bias names token %d, and the model has %d", id, vocab)}
		}
	}
	return nil
}
