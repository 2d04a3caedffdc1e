package sample

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
)

// The penalties count the reply's tokens, forwards and back, and the others are
// applied once each, in their order.
func TestAdjust(t *testing.T) {
	logits := []float32{1, 2, -1, 0.5, 4}
	text := []int32{4, 1, 0, 1, 1, 2} // the reply begins at 2
	bias := map[int32]float32{1: 10, 3: -5, 9: 1}
	for _, c := range []struct {
		o    Options
		mask []uint32
		want []float32
	}{
		{Options{}, nil, logits},
		{Options{PresencePenalty: 0.5}, nil, []float32{0.5, 1.5, -1.5, 0.5, 4}},
		{Options{FrequencyPenalty: 0.5}, nil, []float32{0.5, 1, -1.5, 0.5, 4}},
		{Options{PresencePenalty: -1, FrequencyPenalty: 0.25}, nil, []float32{1.75, 2.5, -0.25, 0.5, 4}},
		{Options{Bias: bias}, nil, []float32{1, 12, -1, -4.5, 4}},
		{Options{Bias: bias, RepeatPenalty: 2, PresencePenalty: 1}, nil, []float32{-0.5, 5, -3, -4.5, 2}},
		{Options{PresencePenalty: 0.5}, []uint32{0b10110}, []float32{inf32(-1), 1.5, -1.5, inf32(-1), 4}},
		{Options{}, []uint32{}, []float32{inf32(-1), inf32(-1), inf32(-1), inf32(-1), inf32(-1)}},
	} {
		s := New(c.o)
		s.Begin(2)
		if c.mask != nil {
			s.SetMask(func(got []int32) []uint32 {
				if !slices.Equal(got, text) {
					t.Errorf("the mask is asked about %v", got)
				}
				return c.mask
			})
		}
		if got := s.adjust(logits, text); !slices.Equal(got, c.want) {
			t.Errorf("%+v, mask %b: %v, want %v", c.o, c.mask, got, c.want)
		}
	}
	if logits[0] != 1 || logits[4] != 4 {
		t.Error("the row itself was changed")
	}
	// Whatever the sampler was asked before, it counts this text.
	r := rand.New(rand.NewPCG(1, 1))
	s := New(Options{FrequencyPenalty: 1})
	var line []int32
	for range 300 {
		if r.IntN(4) == 0 {
			line = line[:r.IntN(len(line)+1)]
		}
		for range r.IntN(5) {
			line = append(line, int32(r.IntN(5)))
		}
		s.Begin(min(len(line), r.IntN(10)))
		other := New(s.o)
		other.Begin(s.begin)
		if a, b := s.adjust(logits, line), other.adjust(logits, line); !slices.Equal(a, b) {
			t.Fatalf("%v from %d: %v, counted anew %v", line, s.begin, a, b)
		}
	}
}

func inf32(sign int) float32 { return float32(math.Inf(sign)) }

// Under a mask only allowed tokens are sampled, with their shares, whatever the
// filters. One that allows none is an error, and nil allows all.
func TestMask(t *testing.T) {
	logits := row(200)
	words := make([]uint32, 7)
	allowed := map[int32]bool{}
	for _, id := range []int32{3, 31, 32, 64, 150, 199} {
		words[id/32] |= 1 << (id % 32)
		allowed[id] = true
	}
	for _, o := range []Options{{}, {Temp: 1}, {Temp: 2, MinP: 0.001}, {Temp: 2, TopK: 50}, {Temp: 2, TopP: 0.999}, {Temp: 2, TopK: 3, TopP: 0.9}} {
		s := New(o)
		s.SetMask(func([]int32) []uint32 { return words })
		if s.Bounds(1 << 20) {
			t.Error("a ranked row would do under a mask")
		}
		seen := map[int32]bool{}
		for pos := range 2000 {
			id, err := s.Sample(logits, make([]int32, pos))
			if err != nil || !allowed[id] {
				t.Fatalf("%+v: token %d, %v", o, id, err)
			}
			seen[id] = true
		}
		if o.Temp > 0 && len(seen) < 2 {
			t.Errorf("%+v: only %v", o, seen)
		}
		sum := 0.0
		for _, c := range s.Candidates(logits, nil) {
			if sum += float64(c.P); c.P > 0 && !allowed[c.ID] {
				t.Errorf("%+v: token %d has probability %g", o, c.ID, c.P)
			}
		}
		if math.Abs(sum-1) > 1e-5 {
			t.Errorf("%+v: probabilities sum to %g", o, sum)
		}
		for _, none := range [][]uint32{{}, make([]uint32, 7), {0, 0, 0, 0, 0, 0, 0xFFFFFF00}} {
			s.SetMask(func([]int32) []uint32 { return none })
			if id, err := s.Sample(logits, nil); !errors.Is(err, ErrMask) {
				t.Errorf("%+v: token %d, %v under a mask that allows none", o, id, err)
			}
		}
		s.SetMask(func([]int32) []uint32 { return nil })
		if id, err := s.Sample(logits, nil); err != nil || id != sampled(New(o), logits, nil) {
			t.Errorf("%+v: token %d, %v without words", o, id, err)
		}
	}
}

// Log-probabilities are those of the row itself, and a ranked row gives the same
// where it is enough.
func TestLogprobs(t *testing.T) {
	logits := row(500)
	logits[7], logits[400] = 9, 9 // equal ones
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(float64(x))
	}
	ids := make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int {
		switch {
		case logits[a] > logits[b]:
			return -1
		case logits[a] < logits[b]:
			return 1
		}
		return 0
	})
	for _, o := range []Options{{}, {Temp: 1, TopK: 40}, {Temp: 1, TopP: 0.9}, {Temp: 0.5, TopK: 10}, {Temp: 1}, {RepeatPenalty: 3}, {Temp: 1, TopK: 9, Bias: map[int32]float32{8: 50}}} {
		for _, top := range []int{0, 1, 5, 20} {
			o.Logprobs, o.TopLogprobs = true, top
			s := New(o)
			check := func(kind string, id int32) {
				l, ok := s.Logprobs()
				if !ok || l.Chosen.ID != id || len(l.Top) != top {
					t.Fatalf("%+v, %s: %+v for token %d", o, kind, l, id)
				}
				for i, p := range append(slices.Clone(l.Top), l.Chosen) {
					want := float64(logits[p.ID]) - math.Log(sum)
					if math.Abs(p.Logprob-want) > 1e-6 || i < top && p.ID != ids[i] {
						t.Errorf("%+v, %s: %d is token %d with %g, want %d with %g", o, kind, i, p.ID, p.Logprob, ids[min(i, top)], want)
					}
				}
			}
			id := sampled(s, logits, []int32{7})
			check("whole", id)
			if r, ok := s.Ranking(); ok {
				b := backend.Rank(logits, []int32{7}, &r)
				if id, ok := s.SampleRanked(&b, false, []int32{7}); ok {
					check("ranked", id)
				}
			} else if o.Temp == 1 && (o.TopK == 40 || o.TopP > 0) || o.Temp == 0 && o.RepeatPenalty == 0 {
				t.Errorf("%+v needs whole rows", o)
			}
		}
	}
	s := New(Options{Temp: 1})
	sampled(s, logits, nil)
	if _, ok := s.Logprobs(); ok {
		t.Error("log-probabilities that nobody asked for")
	}
}

// Options that change or read more of a row than a ranking need whole rows.
func TestBounds(t *testing.T) {
	for _, o := range []Options{{PresencePenalty: 1}, {FrequencyPenalty: -1}, {Bias: map[int32]float32{1: 1}}, {Temp: 0.5, TopK: 5, Logprobs: true},
		{RepeatPenalty: 1.1, Logprobs: true}, {Temp: 1, Logprobs: true}} {
		if o.Bounds(128) {
			t.Errorf("%+v can be ranked", o)
		}
	}
	for _, o := range []Options{{}, {RepeatPenalty: 1.1}, {Temp: 0.5, TopK: 5}, {Logprobs: true, TopLogprobs: 20}, {Temp: 1, TopP: 0.5, Logprobs: true}} {
		if !o.Bounds(128) {
			t.Errorf("%+v cannot be ranked", o)
		}
	}
}

// What programs alone set is refused out of its bounds.
func TestExtras(t *testing.T) {
	many := map[int32]float32{}
	for i := range int32(MostBias + 1) {
		many[i] = 1
	}
	for want, o := range map[string]Options{
		"logit bias has 1025 entries; at most 1024 are allowed": {Bias: many},
		"logit bias names token -3":                             {Bias: map[int32]float32{-3: 1}},
		"logit bias 101 of token 5 is not between -100 and 100": {Bias: map[int32]float32{5: 101}},
		"logit bias NaN of token 5 is not between -100 and 100": {Bias: map[int32]float32{5: float32(math.NaN())}},
		"top logprobs 21 is not between 0 and 20":               {Logprobs: true, TopLogprobs: 21},
		"top logprobs -1 is not between 0 and 20":               {Logprobs: true, TopLogprobs: -1},
		"top logprobs need logprobs":                            {TopLogprobs: 2},
		"presence penalty 2.5 is not between -2 and 2":          {PresencePenalty: 2.5},
		"frequency penalty NaN is not between -2 and 2":         {FrequencyPenalty: float32(math.NaN())},
		"logit bias names token 10, and the model has 10":       {Bias: map[int32]float32{10: 1}},
		"": {PresencePenalty: -2, FrequencyPenalty: 2, Bias: map[int32]float32{9: -100}, Logprobs: true, TopLogprobs: 20},
	} {
		err := o.Check()
		if err == nil {
			err = o.Fits(10)
		}
		if (err == nil) != (want == "") || err != nil && (err.Error() != want || !errors.Is(err, ErrParam)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	a, b := Options{Bias: map[int32]float32{1: 1}}, Options{Bias: map[int32]float32{1: 1}}
	if !a.Equal(b) {
		t.Error("equal options differ")
	}
	if b.Bias[1] = 2; a.Equal(b) {
		t.Error("different biases are equal")
	}
}
