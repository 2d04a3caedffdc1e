package speculate_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// Penalties, bias, a mask and log-probabilities are the same with every draft,
// on a backend that ranks and on one that does not. A model that drafts for
// itself proposes under all of them, and is right.
func TestAdjustedTextIsTheSame(t *testing.T) {
	f := fixture(t, "mamba2-half")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	prompt := []int32{7, 11, 250, 3, 9, 7, 11, 250}
	for _, o := range []sample.Options{
		{FrequencyPenalty: 1.5, PresencePenalty: 0.5, Logprobs: true, TopLogprobs: 3},
		{Temp: 1, TopK: 20, PresencePenalty: 2, Seed: 3, Bias: map[int32]float32{5: 8, 9: -100}},
		{Temp: 1, TopP: 0.9, Seed: 5, Logprobs: true, TopLogprobs: 20},
	} {
		for _, masked := range []bool{false, true} {
			text := func(d speculate.Drafter, k int, ranks bool) ([]int32, []sample.Logprobs, speculate.Stats) {
				b := &ranking{Backend: cpu.New(1)}
				s := session(t, f, 512)
				if ranks {
					if s, err = m.NewSession(b, model.Options{Context: 512}); err != nil {
						t.Fatal(err)
					}
					defer s.Close()
				}
				return adjusted(t, s, o, speculate.Options{Draft: d, K: k}, prompt, masked)
			}
			want, probs, _ := text(nil, 0, false)
			for _, ranks := range []bool{false, true} {
				for kind, d := range map[string]speculate.Drafter{"none": nil, "lookup": speculate.NewLookup(), "hostile": hostile{rand.New(rand.NewPCG(1, 1)), 128},
					"itself": speculate.Auto{speculate.NewModel(session(t, f, 512), o)}} {
					got, gotProbs, stats := text(d, 4, ranks)
					if !slices.Equal(got, want) {
						t.Errorf("%+v, masked %v, draft %s, ranked %v: other tokens", o, masked, kind, ranks)
					}
					if kind == "itself" && stats.Rate() < 0.999 {
						t.Errorf("%+v, masked %v: %.3f of its own tokens accepted", o, masked, stats.Rate())
					}
					if !slices.EqualFunc(gotProbs, probs, near) {
						t.Errorf("%+v, masked %v, draft %s, ranked %v: other log-probabilities", o, masked, kind, ranks)
					}
				}
			}
		}
	}
}

// near allows for the rounding of a ranking's sum.
func near(a, b sample.Logprobs) bool {
	same := func(a, b sample.Logprob) bool { return a.ID == b.ID && math.Abs(a.Logprob-b.Logprob) < 1e-6 }
	return same(a.Chosen, b.Chosen) && slices.EqualFunc(a.Top, b.Top, same)
}

// adjusted makes 100 tokens and their log-probabilities. The mask allows every
// third token, another third at each position.
func adjusted(t *testing.T, s *model.Session, o sample.Options, so speculate.Options, prompt []int32, masked bool) ([]int32, []sample.Logprobs, speculate.Stats) {
	t.Helper()
	logits, err := s.Feed(prompt, model.WantLast)
	if err != nil {
		t.Fatal(err)
	}
	d := speculate.New(s, o, so)
	words := make([]uint32, (s.Vocab()+31)/32)
	if masked {
		d.SetMask(func(text []int32) []uint32 {
			clear(words)
			for id := len(text) % 3; id < s.Vocab(); id += 3 {
				words[id/32] |= 1 << (id % 32)
			}
			return words
		})
	}
	var out []int32
	var probs []sample.Logprobs
	for d.Begin(logits); len(out) < 100; {
		made, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		l := d.Logprobs()
		if want := len(made); o.Logprobs && len(l) != want || !o.Logprobs && len(l) != 0 {
			t.Fatalf("%d log-probabilities for %d tokens", len(l), want)
		}
		for i, p := range l {
			if p.Chosen.ID != made[i] {
				t.Fatalf("the log-probability is token %d's, not %d's", p.Chosen.ID, made[i])
			}
		}
		out, probs = append(out, made...), append(probs, l...)
	}
	for i, id := range out[:100] {
		if masked && (int(id)-len(prompt)-i)%3 != 0 {
			t.Fatalf("token %d is %d against the mask", i, id)
		}
	}
	return out[:100], probs[:min(100, len(probs))], d.Stats()
}

// A mask that allows nothing ends the text before its token, with the same
// tokens before it with and without a draft.
func TestBarred(t *testing.T) {
	f := fixture(t, "mamba2-half")
	prompt := []int32{5, 9, 200, 7, 31}
	for _, at := range []int{5, 6, 13} {
		for _, k := range []int{0, 4} {
			so := speculate.Options{K: k}
			if k > 0 {
				so.Draft = speculate.NewModel(session(t, f, 64), sample.Options{})
			}
			s := session(t, f, 64)
			d := speculate.New(s, sample.Options{}, so)
			d.SetMask(func(text []int32) []uint32 {
				if len(text) == at {
					return []uint32{}
				}
				return nil
			})
			logits, err := s.Feed(prompt, model.WantLast)
			if err != nil {
				t.Fatal(err)
			}
			var out []int32
			for d.Begin(logits); err == nil && len(out) < 40; {
				var made []int32
				made, err = d.Next()
				out = append(out, made...)
			}
			if !errors.Is(err, sample.ErrMask) || len(out) != at-len(prompt) {
				t.Errorf("barred at %d, K %d: %d tokens, %v", at, k, len(out), err)
			}
		}
	}
}
