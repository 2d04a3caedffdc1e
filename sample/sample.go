// Package sample turns a row of logits into a token.
//
// The filters run in the order of Hugging Face's generate, since the defaults
// come from a checkpoint's generation_config.json: repeat penalty, temperature,
// top-k, top-p, min-p. A bias is added before them. Presence and frequency
// penalty and a mask come before the temperature. The filters leave a
// distribution ([Sampler.Candidates]), from which one token is sampled
// ([Sampler.Sample]). The random numbers are a function of seed, position and
// token: a [Sampler] has no state that a text depends on.
package sample

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/mil-run/mil/backend"
)

// Options say how tokens are chosen. The zero value is greedy.
type Options struct {
	Temp          float32 // below LeastTemp takes the best token
	TopK          int     // keep the K best tokens; 0 keeps all
	TopP          float32 // keep the best tokens whose probabilities sum to TopP; 0 or 1 keeps all
	MinP          float32 // keep tokens at least MinP times as probable as the best; 0 keeps all
	RepeatPenalty float32 // divides (or multiplies, when negative) the logits of recent tokens; 0 or 1 is none
	// PresencePenalty is subtracted from the logits of tokens that the reply holds
	// already, and FrequencyPenalty for each time that it holds them, as OpenAI
	// defines them. They are between -2 and 2. See [Sampler.Begin].
	PresencePenalty, FrequencyPenalty float32
	Seed                              uint64

	// Bias is added to the logits of tokens, between -100 and 100 each, for at
	// most MostBias tokens.
	Bias map[int32]float32 `json:",omitempty"`
	// Logprobs keeps the log-probabilities of each token sampled, and of the best
	// TopLogprobs tokens at its position, at most MostLogprobs.
	Logprobs    bool `json:"-"`
	TopLogprobs int  `json:"-"`
}

// Equal reports whether two samplers with these options do the same.
func (o Options) Equal(p Options) bool { return reflect.DeepEqual(o, p) }

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
	inv  float64     // 1 over the temperature, or 1 where that is 0
	list []Candidate // scratch
	row  []float32   // scratch
	last last

	mask     Mask
	begin    int           // position of the reply's first token
	reply    []int32       // the tokens counted in times
	times    map[int32]int // how often the reply holds a token
	logprobs Logprobs
}

// last is what the last token was sampled from: candidates with their logits,
// or a row of logits down to least.
type last struct {
	list  []Candidate
	row   []float32
	least float32
	sure  float64 // where it is known, or 0
}

// New makes a sampler; the same options, logits and positions give the same
// tokens.
func New(o Options) *Sampler {
	if o.Temp < LeastTemp {
		o.Temp = 0
	}
	s := &Sampler{o: o, inv: 1}
	if o.Temp > 0 {
		s.inv = 1 / float64(o.Temp)
	}
	return s
}

// Options are those the sampler was made with. A greedy temperature is 0.
func (s *Sampler) Options() Options { return s.o }

// Sample samples a token from a row of logits [vocabulary]. text is all tokens
// before it, oldest first: its length is the token's position, and the penalties
// look at it. With a temperature of 0 it takes the best token, and the first of
// several equal ones. The error is ErrMask.
func (s *Sampler) Sample(logits []float32, text []int32) (int32, error) {
	row := s.adjust(logits, text)
	id := s.choose(row, len(text))
	if s.barred(row, id) {
		return 0, ErrMask
	}
	s.note(logits, id)
	return id, nil
}

// choose samples from an adjusted row.
func (s *Sampler) choose(row []float32, pos int) int32 {
	s.last = last{row: row, least: float32(math.Inf(-1))}
	if s.o.Temp == 0 {
		return top(row)
	}
	n := noiseAt(s.o.Seed, pos)
	if s.o.TopK > 0 || s.o.cuts() {
		s.last = last{list: s.kept(row)}
		return n.choose(s.last.list, s.inv)
	}
	if s.o.MinP > 0 {
		s.last.least = s.least(row[top(row)], float64(s.o.MinP))
	}
	return n.race(row, s.inv, s.last.least)
}

// Candidates returns the tokens that pass the filters and their probabilities,
// which sum to 1. A temperature of 0 leaves the best token alone. The slice is
// valid until the next call.
func (s *Sampler) Candidates(logits []float32, text []int32) []Candidate {
	row := s.adjust(logits, text)
	if s.o.Temp == 0 {
		s.list = append(s.list[:0], Candidate{top(row), 1})
		return s.list
	}
	c := s.kept(row)
	s.probabilities(c)
	return c
}

// Sure is the probability of the best candidate of the token sampled last, at a
// temperature of 1 where that is 0.
func (s *Sampler) Sure() float64 {
	l := &s.last
	switch {
	case l.sure > 0:
		return l.sure
	case l.list != nil:
		return 1 / s.weights(l.list, peakOf(l.list))
	}
	sum, peak := 0.0, l.row[top(l.row)]
	for _, x := range l.row {
		if d := (float64(x) - float64(peak)) * s.inv; d > -16 && x >= l.least { // less is nothing
			sum += math.Exp(d)
		}
	}
	return 1 / sum
}

// kept lists the tokens that pass the filters, with their logits.
func (s *Sampler) kept(row []float32) []Candidate {
	c := s.fill(row)
	if k := s.o.TopK; k > 0 && k < len(c) {
		c = best(c, func(n int, _ Candidate) bool { return n < k })
	}
	peak := peakOf(c)
	if s.o.cuts() {
		all := s.weights(c, peak)
		// All tokens this light together are under half of the part that is cut.
		light := (1 - float64(s.o.TopP)) * all / float64(2*len(c))
		c = best(atLeast(c, s.least(peak, light)), s.upTo(peak, all))
	}
	if s.o.MinP > 0 {
		c = atLeast(c, s.least(peak, float64(s.o.MinP)))
	}
	return c
}

// cuts says whether top-p leaves out tokens.
func (o *Options) cuts() bool { return o.TopP > 0 && o.TopP < 1 }

// fill lists all tokens with their logits. NaN counts as the least likely.
func (s *Sampler) fill(row []float32) []Candidate {
	if cap(s.list) < len(row) {
		s.list = make([]Candidate, len(row))
	}
	s.list = s.list[:len(row)]
	for i, v := range row {
		if v != v {
			v = float32(math.Inf(-1))
		}
		s.list[i] = Candidate{int32(i), v}
	}
	return s.list
}

// top is the first token with the highest logit, 0 where there is no number.
func top(row []float32) int32 {
	at, peak := int32(0), float32(math.Inf(-1))
	for i, v := range row {
		if v > peak {
			at, peak = int32(i), v
		}
	}
	return at
}
