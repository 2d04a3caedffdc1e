package sample

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
)

// sampled is Sample where no mask can bar everything.
func sampled(s *Sampler, logits []float32, text []int32) int32 {
	id, err := s.Sample(logits, text)
	if err != nil {
		panic(err)
	}
	return id
}

func row(n int) []float32 {
	r := rand.New(rand.NewPCG(7, 7))
	l := make([]float32, n)
	for i := range l {
		l[i] = float32(r.NormFloat64() * 3)
	}
	return l
}

// naive is the definition: sort everything, cut, renormalize.
func naive(logits []float32, o Options) map[int32]float64 {
	type cand struct {
		id int32
		p  float64
	}
	var c []cand
	for i, v := range logits {
		c = append(c, cand{int32(i), math.Exp(float64(v) / float64(o.Temp))})
	}
	slices.SortStableFunc(c, func(a, b cand) int {
		if a.p > b.p {
			return -1
		} else if a.p < b.p {
			return 1
		}
		return 0
	})
	norm := func() {
		sum := 0.0
		for _, x := range c {
			sum += x.p
		}
		for i := range c {
			c[i].p /= sum
		}
	}
	if o.TopK > 0 && o.TopK < len(c) {
		c = c[:o.TopK]
	}
	norm()
	if o.TopP > 0 && o.TopP < 1 {
		sum, n := 0.0, 0
		for n < len(c) && (n == 0 || sum < float64(o.TopP)) {
			sum += c[n].p
			n++
		}
		c = c[:n]
	}
	for i := range c {
		if o.MinP > 0 && c[i].p < float64(o.MinP)*c[0].p {
			c = c[:i]
			break
		}
	}
	norm()
	out := map[int32]float64{}
	for _, x := range c {
		out[x.id] = x.p
	}
	return out
}

func TestCandidates(t *testing.T) {
	logits := row(3000)
	for _, o := range []Options{
		{Temp: 1}, {Temp: 0.6, TopP: 0.9}, {Temp: 1.3, TopK: 40}, {Temp: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05},
		{Temp: 1, MinP: 0.1}, {Temp: 2, TopK: 1}, {Temp: 1, TopP: 1e-6}, {Temp: 1, TopK: 5000},
	} {
		want := naive(logits, o)
		got := New(o).Candidates(logits, nil)
		if len(got) != len(want) {
			t.Fatalf("%+v: %d candidates, want %d", o, len(got), len(want))
		}
		sum := 0.0
		for _, c := range got {
			sum += float64(c.P)
			if w, ok := want[c.ID]; !ok || math.Abs(float64(c.P)-w) > 1e-5*w+1e-9 {
				t.Fatalf("%+v: token %d has probability %g, want %g", o, c.ID, c.P, w)
			}
		}
		if math.Abs(sum-1) > 1e-4 {
			t.Fatalf("%+v: probabilities sum to %g", o, sum)
		}
	}
}

// Sampling follows the distribution, along the positions of one seed and along
// seeds: Pearson's chi-squared over 100,000 tokens.
func TestSampleFollowsCandidates(t *testing.T) {
	logits := []float32{2, 1, 0, -1, 3, 0.5}
	for _, o := range []Options{{Temp: 0.9, TopK: 5, Seed: 3}, {Temp: 0.9, Seed: 4}} {
		want := map[int32]float64{}
		for _, c := range New(o).Candidates(logits, nil) {
			want[c.ID] = float64(c.P)
		}
		const n = 100_000
		for _, seeds := range []bool{false, true} {
			got := map[int32]int{}
			s, text := New(o), make([]int32, n)
			for i := range n {
				if s.o.Seed = o.Seed; seeds {
					s.o.Seed += uint64(i)
					i = 100
				}
				got[sampled(s, logits, text[:i])]++
			}
			chi := 0.0
			for id, p := range want {
				d := float64(got[id]) - n*p
				chi += d * d / (n * p)
			}
			if chi > 20.5 || len(got) != len(want) { // 5 degrees of freedom: p = 0.001
				t.Errorf("%+v, over seeds %v: chi-squared %.1f, drawn %v, want %v", o, seeds, chi, got, want)
			}
		}
	}
}

func TestGreedy(t *testing.T) {
	nan := float32(math.NaN())
	s := New(Options{})
	if got := sampled(s, []float32{nan, 1, 5, 5, nan}, nil); got != 2 {
		t.Errorf("greedy took %d", got)
	}
	s = New(Options{RepeatPenalty: 2})
	if got := sampled(s, []float32{4, 1, 5, -8}, []int32{2}); got != 0 {
		t.Errorf("greedy under a repeat penalty took %d", got)
	}
	old := append([]int32{2}, make([]int32, RepeatWindow)...) // 2 has left the window
	if got := sampled(s, []float32{4, 1, 5, -8}, old); got != 2 {
		t.Errorf("the penalty reached past its window: %d", got)
	}
	if c := New(Options{Temp: 1, RepeatPenalty: 2}).Candidates([]float32{-1, 1}, []int32{0, 0}); math.Abs(float64(c[0].P)-1/(1+math.Exp(3))) > 1e-6 {
		t.Errorf("a negative logit under a penalty of 2 got probability %g", c[0].P)
	}
}

// A temperature below one millionth is greedy, whatever the other options.
func TestLeastTemp(t *testing.T) {
	logits := []float32{4.9999, 1, 5, -8}
	for _, temp := range []float32{math.SmallestNonzeroFloat32, 1e-30, 0.99e-6} {
		s := New(Options{Temp: temp, TopK: 3, TopP: 0.9, Seed: 1})
		if c := s.Candidates(logits, nil); len(c) != 1 || c[0] != (Candidate{2, 1}) {
			t.Errorf("temperature %g leaves %v", temp, c)
		}
		if id, ok := s.SampleRanked(&backend.Best{Tokens: []int32{2, 0}, Logits: []float32{5, 4.9999}, Sum: math.NaN()}, false, nil); !ok || id != 2 {
			t.Errorf("temperature %g of a ranked row gives %d", temp, id)
		}
		if !s.Options().Bounds(1) || !(Options{Temp: temp}).Bounds(1) || sampled(s, logits, nil) != 2 {
			t.Errorf("temperature %g is not greedy", temp)
		}
	}
	if c := New(Options{Temp: 1}).Candidates(logits, nil); len(c) != 4 {
		t.Errorf("temperature 1 leaves %v", c)
	}
}

// One value that is no finite number is seen wherever it stands.
func TestFinite(t *testing.T) {
	for n := range 13 {
		r := make([]float32, n)
		for i := range r {
			r[i] = float32(i%3-1) * math.MaxFloat32
		}
		if !Finite(r) {
			t.Errorf("%v", r)
		}
		for i := range r {
			for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				old := r[i]
				if r[i] = float32(v); Finite(r) {
					t.Errorf("%v", r)
				}
				r[i] = old
			}
		}
	}
}

func TestSeed(t *testing.T) {
	logits := row(500)
	draw := func(seed uint64) (out []int32) {
		s := New(Options{Temp: 1, Seed: seed})
		for range 50 {
			out = append(out, sampled(s, logits, out))
		}
		return
	}
	if !slices.Equal(draw(1), draw(1)) || slices.Equal(draw(1), draw(2)) {
		t.Error("the seed does not decide")
	}
}

func TestOddRows(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, l := range [][]float32{{-inf, -inf}, {inf, 0}, {float32(math.NaN())}, {0}} {
		c := New(Options{Temp: 1, TopP: 0.9, TopK: 3, MinP: 0.1}).Candidates(l, nil)
		if len(c) == 0 || c[0].P != c[0].P {
			t.Errorf("%v gives %v", l, c)
		}
		for _, o := range []Options{{Temp: 1}, {Temp: 1, MinP: 0.1}, {Temp: 1, TopP: 0.9}, {}} {
			if id := sampled(New(o), l, nil); id != 0 && l[id] != l[id] {
				t.Errorf("%+v of %v gives %d", o, l, id)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	for _, o := range []Options{{Temp: -1}, {TopK: -1}, {TopP: 2}, {MinP: -0.1}, {RepeatPenalty: -1}, {Temp: float32(math.NaN())}} {
		if o.Check() == nil {
			t.Errorf("%+v passes", o)
		}
	}
	if err := (Options{Temp: 0.6, TopP: 0.9, RepeatPenalty: 1.1}).Check(); err != nil {
		t.Error(err)
	}
}

func BenchmarkSample(b *testing.B) {
	logits := row(128256)
	for name, o := range map[string]Options{"greedy": {}, "temp": {Temp: 0.6}, "temp_1.5": {Temp: 1.5}, "min_p": {Temp: 0.6, MinP: 0.05}, "top_p": {Temp: 0.6, TopP: 0.9}, "top_k": {Temp: 0.6, TopK: 40}} {
		b.Run(name, func(b *testing.B) {
			s := New(o)
			b.ReportAllocs()
			for b.Loop() {
				sampled(s, logits, nil)
			}
		})
	}
}
