package sample

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/constrain"
)

// letters is a vocabulary of a few letters and pieces; its last token ends a text.
func letters(t *testing.T) (*constrain.Vocabulary, []string) {
	t.Helper()
	names := []string{"a", "b", "c", "ab", "ba", "x", "bb", ""}
	var tokens [][]byte
	for _, n := range names {
		tokens = append(tokens, []byte(n))
	}
	end := int32(len(names) - 1)
	v, err := constrain.NewVocabulary(tokens, constrain.VocabularyOptions{Ends: []int32{end}, Special: map[int32]string{end: "</s>"}})
	if err != nil {
		t.Fatal(err)
	}
	return v, names
}

// logitsOf are those of a made-up model, which depend on the text.
func logitsOf(text []int32, vocab int) []float32 {
	out := make([]float32, vocab)
	h := uint32(2166136261)
	for _, id := range text {
		h = (h ^ uint32(id)) * 16777619
	}
	for i := range out {
		x := (h ^ uint32(i)*2654435761) * 2246822519
		out[i] = float32(x>>16&1023)/400 - 1
	}
	return out
}

// TestConstrainedDistribution samples whole texts under a grammar. Their frequencies
// are those of sampling each token until one comes that the grammar allows: the
// model's probabilities over the sum of those that may come.
func TestConstrainedDistribution(t *testing.T) {
	v, names := letters(t)
	g, err := constrain.Regex(`(ab|b|c){2,4}x?`)
	if err != nil {
		t.Fatal(err)
	}
	prompt := []int32{5, 2}
	const temp = 0.8
	// The probability of each text in tokens, by trying every token everywhere.
	want := map[string]float64{}
	m := g.Matcher(v)
	var walk func(text []int32, p float64)
	walk = func(text []int32, p float64) {
		logits := logitsOf(text, len(names))
		sum, weight := 0.0, make([]float64, len(names))
		for id := range names {
			if m.Accept(int32(id)) == nil {
				m.Back(1)
				weight[id] = math.Exp(float64(logits[id]) / temp)
				sum += weight[id]
			}
		}
		if forced, err := m.Forced(); err != nil {
			t.Fatal(err)
		} else if len(forced) > 0 {
			clear(weight)
			weight[forced[0]], sum = 1, 1
		}
		for id, w := range weight {
			switch {
			case w == 0:
			case id == len(names)-1:
				want[key(text[len(prompt):])] += p * w / sum
			default:
				if err := m.Accept(int32(id)); err != nil {
					t.Fatal(err)
				}
				walk(append(slices.Clone(text), int32(id)), p*w/sum)
				m.Back(1)
			}
		}
	}
	walk(prompt, 1)
	const n = 20000
	got := map[string]int{}
	for seed := range uint64(n) {
		s := New(Options{Temp: temp, Seed: seed})
		s.SetMask(Constrain(g, v, len(prompt)).Mask)
		text := slices.Clone(prompt)
		for {
			id, err := s.Sample(logitsOf(text, len(names)), text)
			if err != nil {
				t.Fatal(err)
			}
			if int(id) == len(names)-1 {
				break
			}
			text = append(text, id)
		}
		got[key(text[len(prompt):])]++
	}
	// Rare texts count together.
	chi, cells, rare, rareWant := 0.0, 0, 0, 0.0
	for text, p := range want {
		if e := p * n; e >= 10 {
			d := float64(got[text]) - e
			chi += d * d / e
			cells++
		} else {
			rare += got[text]
			rareWant += e
		}
	}
	if rareWant > 0 {
		d := float64(rare) - rareWant
		chi += d * d / rareWant
	}
	for text := range got {
		if want[text] == 0 {
			t.Errorf("%q does not hold to the grammar", text)
		}
	}
	// The seeds are fixed, so this is one number: 5 standard deviations.
	if limit := float64(cells) + 5*math.Sqrt(2*float64(cells)); chi > limit || cells < 20 {
		t.Errorf("chi squared is %.1f over %d texts; the limit is %.1f", chi, cells, limit)
	}
}

func key(text []int32) string {
	var b strings.Builder
	for _, id := range text {
		b.WriteByte(byte('0' + id))
	}
	return b.String()
}

// TestConstraintFollows asks for masks of texts in any order, as drafts do.
func TestConstraintFollows(t *testing.T) {
	v, _ := letters(t)
	g, err := constrain.Regex(`(ab|c)*x`)
	if err != nil {
		t.Fatal(err)
	}
	c := Constrain(g, v, 1)
	texts := [][]int32{{5}, {5, 2}, {5, 3, 2, 0}, {5, 2, 2}, {5, 0}, {5, 3}, {5, 3, 5}, {5, 2, 5}, {5}}
	for _, text := range texts {
		got := slices.Clone(c.Mask(text))
		if want := Constrain(g, v, 1).Mask(text); !slices.Equal(got, want) {
			t.Errorf("%v: mask %b, and %b anew", text, got, want)
		}
	}
	// A text that is against the grammar allows nothing, and tells why.
	if m := c.Mask([]int32{5, 1}); m == nil || slices.ContainsFunc(m, func(w uint32) bool { return w != 0 }) || c.Err() == nil {
		t.Errorf("mask %v, error %v", m, c.Err())
	}
	if m := c.Mask([]int32{5, 2}); !slices.Equal(m, Constrain(g, v, 1).Mask([]int32{5, 2})) {
		t.Error("the mask behind an error is another")
	}
}
