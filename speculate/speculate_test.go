package speculate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

func session(t testing.TB, f *format.File, context int) *model.Session {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(cpu.New(1), model.Options{Context: context}) // such small models are faster on one thread
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fixture(t testing.TB, name string) *format.File {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
	return f
}

// hostile proposes random tokens, sure of each.
type hostile struct {
	r     *rand.Rand
	vocab int
}

func (h hostile) Sources() []string { return []string{"hostile"} }
func (h hostile) Close() error      { return nil }
func (h hostile) Draft(_ []int32, most int, paces speculate.Paces) (speculate.Proposal, error) {
	p := speculate.Proposal{Source: "hostile"}
	pace := paces(p.Source)
	for pace != nil && len(p.Tokens) < most && pace.Take(1) {
		p.Tokens = append(p.Tokens, int32(h.r.IntN(h.vocab)))
	}
	return p, nil
}

// generate makes n tokens after a prompt.
func generate(t testing.TB, s *model.Session, o sample.Options, so speculate.Options, prompt []int32, n int) ([]int32, speculate.Stats) {
	t.Helper()
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	logits, err := s.Feed(prompt, model.WantLast)
	if err != nil {
		t.Fatal(err)
	}
	d := speculate.New(s, o, so)
	d.Begin(logits)
	var out []int32
	for len(out) < n {
		next, err := d.Next()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, next...)
		// All but the last are in the session.
		whole := append(slices.Clone(prompt), out[:len(out)-1]...)
		if !slices.Equal(s.Tokens(), whole) {
			t.Fatalf("the session holds %d tokens, %d were made", len(s.Tokens())-len(prompt), len(out))
		}
	}
	return out[:n], d.Stats()
}

// Tokens are the same with every kind of draft and every K, greedy and sampled.
func TestTextIsTheSame(t *testing.T) {
	prompt := []int32{7, 11, 250, 3, 9, 7, 11, 250}
	differ := 0 // models whose text depends on the seed
	for i, name := range testutil.Checkpoints(t) {
		drawn := []sample.Options{{Temp: 0.4, RepeatPenalty: 1.1, Seed: 1}, {Temp: 0.9, TopK: 30, TopP: 0.9, MinP: 0.02, Seed: 2}}[i%2]
		for _, o := range []sample.Options{{RepeatPenalty: 1.1}, drawn} {
			ks := []int{-1, 1, 3, 8, 15}
			if o.Temp > 0 {
				ks = []int{-1, 4}
			}
			if testing.Short() { // each on some of the models
				ks = ks[i/2%len(ks):][:1]
			}
			target := session(t, fixture(t, name), 512)
			want, _ := generate(t, target, o, speculate.Options{}, prompt, 150)
			if o.Temp > 0 {
				o.Seed++
				if other, _ := generate(t, target, o, speculate.Options{}, prompt, 150); !slices.Equal(other, want) {
					differ++
				}
				o.Seed--
			}
			for _, k := range ks {
				drafts := map[string]speculate.Drafter{
					"hostile":    hostile{rand.New(rand.NewPCG(1, 1)), target.Vocab()},
					"lookup":     speculate.NewLookup(),
					"itself":     speculate.NewModel(session(t, fixture(t, name), 512), sample.Options{RepeatPenalty: 1.1}),
					"other":      speculate.NewModel(session(t, fixture(t, "mamba2-merged"), 512), sample.Options{}),
					"both":       speculate.Auto{speculate.NewLookup(), speculate.NewModel(session(t, fixture(t, name), 512), sample.Options{})},
					"less space": speculate.NewModel(session(t, fixture(t, name), 60), sample.Options{}),
				}
				for kind, d := range drafts {
					got, stats := generate(t, target, o, speculate.Options{Draft: d, K: k}, prompt, 150)
					if !slices.Equal(got, want) {
						t.Errorf("%s, %+v, draft %s, K %d: other tokens", name, o, kind, k)
					}
					if kind == "itself" && k > 0 && stats.Rate() < 0.999 {
						t.Errorf("%s as its own draft, %+v, K %d: %.3f accepted", name, o, k, stats.Rate())
					}
					if kind == "hostile" && k > 0 && stats.Rate() > 0.1 {
						t.Errorf("%s: %.2f of random tokens accepted", name, stats.Rate())
					}
				}
			}
		}
	}
	if n := len(testutil.Checkpoints(t)); differ < n/2 {
		t.Errorf("only %d of %d models have another text with another seed", differ, n)
	}
}

// joint is the exact distribution of the next n tokens, by their string.
func joint(t testing.TB, s *model.Session, o sample.Options, prompt []int32, n int) map[string]float64 {
	out := map[string]float64{}
	var walk func(made []int32, p float64)
	walk = func(made []int32, p float64) {
		if len(made) == n {
			out[fmt.Sprint(made)] += p
			return
		}
		if err := s.Reset(); err != nil {
			t.Fatal(err)
		}
		logits, err := s.Feed(append(slices.Clone(prompt), made...), model.WantLast)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range slices.Clone(sample.New(o).Candidates(logits, s.Tokens())) {
			walk(append(slices.Clone(made), c.ID), p*float64(c.P))
		}
	}
	walk(nil, 1)
	return out
}

// chi is Pearson's statistic over cells expected at least 5 times, the rest
// pooled, as standard deviations from its mean.
func chi(counts map[string]int, want map[string]float64, n int) float64 {
	x, cells := 0.0, 0
	pooled, pooledWant := 0, 0.0
	seen := 0
	for k, p := range want {
		seen += counts[k]
		if e := p * float64(n); e >= 5 {
			d := float64(counts[k]) - e
			x += d * d / e
			cells++
		} else {
			pooled += counts[k]
			pooledWant += e
		}
	}
	if pooledWant > 0 {
		d := float64(pooled) - pooledWant
		x += d * d / pooledWant
		cells++
	}
	if seen != n {
		return math.Inf(1) // something came out that cannot
	}
	dof := float64(cells - 1)
	return (x - dof) / math.Sqrt(2*dof)
}

// doubting is a draft that stops by how sure it is, and counts how far it went.
type doubting struct {
	speculate.Drafter
	lengths map[int]int
}

func (d doubting) SetSampling(o sample.Options) { d.Drafter.(*speculate.Model).SetSampling(o) }

func (d doubting) Draft(timeline []int32, most int, _ speculate.Paces) (speculate.Proposal, error) {
	p, err := d.Drafter.Draft(timeline, most, speculate.Doubtful(0.3))
	d.lengths[len(p.Tokens)]++
	return p, err
}

// Over 50,000 seeds, the tokens have the target's distribution: the joint one of
// four tokens in a row, computed exactly. With each draft they are those without.
func TestDistribution(t *testing.T) {
	const n, runs = 4, 50_000
	if testing.Short() {
		t.Skip("draws 200,000 tokens; run without -short")
	}
	o := sample.Options{Temp: 1.3, TopK: 4, TopP: 0.97}
	prompt := []int32{7, 11, 250, 3}
	f := fixture(t, "mamba2-half")
	s := session(t, f, 64)
	want := joint(t, s, o, prompt, n)
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	logits, err := s.Feed(prompt, model.WantLast)
	if err != nil {
		t.Fatal(err)
	}
	logits = slices.Clone(logits)
	snap, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	another := func() speculate.Drafter {
		return speculate.NewModel(session(t, fixture(t, "mamba2-merged"), 64), o)
	}
	lengths := map[int]int{}
	var plain []string // by seed
	for _, draft := range []struct {
		name string
		speculate.Drafter
	}{{"none", nil}, {"another model", another()}, {"doubting", doubting{another(), lengths}}, {"random", hostile{rand.New(rand.NewPCG(5, 5)), 8}}} {
		name, runs := draft.name, runs
		if name == "doubting" {
			runs /= 2
		}
		counts := map[string]int{}
		d := speculate.New(s, o, speculate.Options{Draft: draft.Drafter, K: 3})
		for seed := range runs {
			if err := s.Restore(snap); err != nil {
				t.Fatal(err)
			}
			o := o
			o.Seed = uint64(seed)
			d.SetSampling(o)
			d.Begin(logits)
			var made []int32
			for len(made) < n {
				next, err := d.Next()
				if err != nil {
					t.Fatal(err)
				}
				made = append(made, next...)
			}
			text := fmt.Sprint(made[:n])
			if counts[text]++; name == "none" {
				plain = append(plain, text)
			} else if text != plain[seed] {
				t.Fatalf("draft %s, seed %d: %s, without a draft %s", name, seed, text, plain[seed])
			}
		}
		if z := chi(counts, want, runs); z > 4 {
			t.Errorf("draft %s: the tokens are %.1f standard deviations from the model's distribution", name, z)
		} else {
			t.Logf("draft %s: %.1f standard deviations over %d outcomes", name, z, len(want))
		}
	}
	for n := range 4 {
		if lengths[n] < runs/50 {
			t.Errorf("the doubting draft proposed numbers of tokens this often: %v", lengths)
			break
		}
	}
}

// The statistic tells noise that has one value for each position and token from
// other noise, in the joint distribution of two tokens.
func TestWrongNoiseIsCaught(t *testing.T) {
	logits := [][]float32{{2, 1.5, 1, 0.5, 0, -1}, {0, 1, 1.5, 1, 0, 0}}
	const n = 200_000
	want := map[string]float64{}
	s := sample.New(sample.Options{Temp: 1})
	for _, a := range slices.Clone(s.Candidates(logits[0], nil)) {
		for _, b := range s.Candidates(logits[1], nil) {
			want[fmt.Sprint(a.ID, b.ID)] = float64(a.P) * float64(b.P)
		}
	}
	draw := func(s *sample.Sampler, row []float32, text []int32) int32 {
		id, err := s.Sample(row, text)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	for name, c := range map[string]struct {
		second func(s *sample.Sampler, seed uint64, first int32) int32
		right  bool
	}{
		"the next position": {func(s *sample.Sampler, _ uint64, first int32) int32 { return draw(s, logits[1], []int32{first}) }, true},
		"position reused":   {func(s *sample.Sampler, _ uint64, _ int32) int32 { return draw(s, logits[1], nil) }, false},
		"another seed": {func(s *sample.Sampler, seed uint64, first int32) int32 {
			return draw(sample.New(sample.Options{Temp: 1, Seed: ^seed}), logits[1], []int32{first})
		}, true},
		"a draft's choice kept": {func(s *sample.Sampler, _ uint64, first int32) int32 { return draw(s, logits[0], []int32{first}) }, false},
	} {
		counts := map[string]int{}
		for seed := range uint64(n) {
			s := sample.New(sample.Options{Temp: 1, Seed: seed})
			first := draw(s, logits[0], nil)
			counts[fmt.Sprint(first, c.second(s, seed, first))]++
		}
		if z := chi(counts, want, n); (z < 4) != c.right {
			t.Errorf("%s: %.1f standard deviations", name, z)
		}
	}
}

func TestLookup(t *testing.T) {
	l := speculate.NewLookup()
	draft := func(line ...int32) []int32 {
		p, err := l.Draft(line, 4, speculate.Freely)
		if err != nil {
			t.Fatal(err)
		}
		return p.Tokens
	}
	for _, c := range []struct{ line, want []int32 }{
		{nil, nil},
		{[]int32{1, 2}, nil},
		{[]int32{1, 2, 3, 4, 5}, nil},
		{[]int32{1, 2, 3, 4, 5, 1, 2, 3}, []int32{4, 5, 1, 2}},
		{[]int32{1, 2, 3, 4, 5, 1, 2, 3, 9}, nil},
		{[]int32{1, 2, 3}, nil},                                                  // went back
		{[]int32{9, 1, 2, 3, 4, 8, 1, 2, 3, 5, 9, 1, 2, 3}, []int32{4, 8, 1, 2}}, // the longer match, not the newer
		{[]int32{7, 1, 2, 3, 4, 8, 1, 2, 3, 5, 9, 1, 2, 3}, []int32{5, 9, 1, 2}}, // the newer of two
		{[]int32{5, 5, 5, 5, 5}, []int32{5}},
	} {
		if got := draft(c.line...); !slices.Equal(got, c.want) {
			t.Errorf("after %v: %v, want %v", c.line, got, c.want)
		}
	}
}

// parrot proposes one list of tokens, whatever was said.
type parrot []int32

func (p parrot) Sources() []string { return []string{"parrot"} }
func (p parrot) Close() error      { return nil }
func (p parrot) Draft(_ []int32, most int, _ speculate.Paces) (speculate.Proposal, error) {
	return speculate.Proposal{Tokens: slices.Clone(p[:min(most, len(p))]), Source: "parrot"}, nil
}

// Nothing is checked behind a token that ends the reply.
func TestEnds(t *testing.T) {
	s := session(t, fixture(t, "mamba2-half"), 64)
	_, stats := generate(t, s, sample.Options{}, speculate.Options{Draft: parrot{3, 4, 5, 6}, K: 4, Ends: map[int32]bool{4: true}}, []int32{7, 11}, 10)
	if stats.Proposed != 2*stats.Passes {
		t.Errorf("%d tokens proposed in %d passes, want 2 each", stats.Proposed, stats.Passes)
	}
}

type words []string

func (w words) Size() int             { return len(w) }
func (w words) Piece(id int32) string { return w[id] }

func TestFits(t *testing.T) {
	for want, draft := range map[string]words{
		"":                                {"a", "b", "c"},
		"has 2 tokens, the model's 3":     {"a", "b"},
		`token 1 is "x", the model's "b"`: {"a", "x", "c"},
	} {
		err := speculate.Fits(words{"a", "b", "c"}, draft)
		if (err == nil) != (want == "") || err != nil && !contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", draft, err, want)
		}
	}
}

func contains(s, sub string) bool {
	for i := 0; i+len(sub) <= len(s); i++ {
		if s[i:i+len(sub)] == sub {
			return true
		}
	}
	return false
}
