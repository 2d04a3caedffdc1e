package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
)

// Of a ranked row come the candidates of the whole row, or the word that it is
// needed.
func TestRanked(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const vocab = 3000
	bounded := 0
	for _, o := range []Options{
		{}, {RepeatPenalty: 1.2}, {Temp: 0.8, TopK: 40}, {Temp: 1, TopK: 128, TopP: 0.9}, {Temp: 0.6, TopP: 0.9}, {Temp: 0.6, TopP: 0.95, RepeatPenalty: 1.3},
		{Temp: 0.7, MinP: 0.05}, {Temp: 0.9, TopP: 0.8, MinP: 0.1}, {Temp: 1, TopK: 400}, {Temp: 1}, {Temp: 5, TopP: 0.99}, {Temp: 5, MinP: 1e-9},
	} {
		for _, spread := range []float64{1, 4} {
			logits := make([]float32, vocab)
			for i := range logits {
				logits[i] = float32(r.NormFloat64() * spread)
			}
			recent := make([]int32, 90)
			for i := range recent {
				recent[i] = int32(r.IntN(vocab))
			}
			b := backend.Rank(logits, recent, &backend.Ranking{Penalty: o.RepeatPenalty, Temp: o.Temp})
			ranker := New(o)
			got, ok := ranker.ranked(&b, false)
			if o.Temp == 0 {
				got, ok = []Candidate{{b.Tokens[0], 1}}, true
			}
			want := slices.Clone(New(o).Candidates(logits, recent))
			if !ok {
				if len(want) < backend.MaxCandidates/2 && o.Bounds(backend.MaxCandidates) {
					t.Errorf("%+v: the whole row is wanted for %d candidates", o, len(want))
				}
				continue
			}
			if bounded++; o.Temp > 0 {
				ranker.probabilities(got)
			}
			for seed := range uint64(20) {
				o := o
				o.Seed = seed
				whole := sampled(New(o), logits, recent)
				if id, ok := New(o).SampleRanked(&b, false, recent); !ok || id != whole {
					t.Errorf("%+v: token %d, %v of the ranked row, %d of the whole", o, id, ok, whole)
				}
			}
			slices.SortFunc(want, func(a, b Candidate) int {
				if before(a, b) {
					return -1
				}
				return 1
			})
			if len(got) != len(want) {
				t.Errorf("%+v: %d candidates, want %d", o, len(got), len(want))
				continue
			}
			for i := range got {
				if got[i].ID != want[i].ID || math.Abs(float64(got[i].P-want[i].P)) > 1e-6 {
					t.Errorf("%+v: candidate %d is %v, want %v", o, i, got[i], want[i])
					break
				}
			}
		}
	}
	if bounded < 12 {
		t.Errorf("only %d rows were enough", bounded)
	}
	// A row of few tokens is whole.
	o := Options{Temp: 1}
	logits := []float32{1, 3, 2}
	b := backend.Rank(logits, nil, &backend.Ranking{Temp: 1})
	if c, ok := New(o).ranked(&b, true); !ok || len(c) != 3 || c[0].ID != 1 {
		t.Errorf("a whole row gives %v %v", c, ok)
	}
}
