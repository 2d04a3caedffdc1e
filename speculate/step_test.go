package speculate_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// fed is the rows of a pass that somebody else made, ranked or whole.
type fed struct {
	logits []float32
	vocab  int
	text   []int32 // up to the first row's token
	plan   []int32
	r      *backend.Ranking
	whole  *int // counts rows read whole
}

func (f *fed) Best(i int) *backend.Best {
	if f.r == nil {
		return nil
	}
	b := backend.Rank(f.row(i), append(slices.Clone(f.text), f.plan[1:1+i]...), f.r)
	return &b
}

func (f *fed) Row(i int) ([]float32, error) {
	*f.whole++
	return f.row(i), nil
}

func (f *fed) row(i int) []float32 { return f.logits[i*f.vocab : (i+1)*f.vocab] }

// Who feeds the plans himself gets the text of Next, however many tokens he asks
// for, whatever the company, with plans that are cut and forgotten, and with
// rows ranked or whole.
func TestSteps(t *testing.T) {
	f := fixture(t, "mamba2-half")
	prompt := []int32{7, 11, 250, 3, 9, 7, 11, 250}
	r := rand.New(rand.NewPCG(1, 1))
	for _, o := range []sample.Options{{RepeatPenalty: 1.1}, {Temp: 1, TopK: 20, Seed: 4}, {Temp: 0.8, Seed: 5}} {
		target := session(t, f, 512)
		want, _ := generate(t, target, o, speculate.Options{}, prompt, 150)
		for _, k := range []int{-1, 6} {
			for _, company := range []bool{false, true} {
				for kind, draft := range map[string]speculate.Drafter{"none": nil, "itself": speculate.NewModel(session(t, f, 512), o), "lookup": speculate.NewLookup(),
					"hostile": hostile{r, target.Vocab()}} {
					d := speculate.New(target, o, speculate.Options{Draft: draft, K: k})
					whole := 0
					got, most := steps(t, d, target, prompt, r, company, &whole)
					if !slices.Equal(got[:150], want) {
						t.Errorf("%+v, draft %s, K %d, company %v: other tokens", o, kind, k, company)
					}
					if _, ranks := d.Ranking(); ranks && whole > 1 {
						t.Errorf("%+v: %d rows read whole", o, whole)
					}
					if kind == "itself" && k > 0 && most < 3 {
						t.Errorf("%+v, K %d, company %v: at most %d tokens a pass", o, k, company, most)
					}
				}
			}
		}
	}
}

// steps makes 150 tokens, and says how many a pass made at most.
func steps(t *testing.T, d *speculate.Decoder, s *model.Session, prompt []int32, r *rand.Rand, company bool, whole *int) (out []int32, most int) {
	t.Helper()
	if _, err := d.Plan(3); err == nil {
		t.Error("a plan before the first token")
	}
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	logits, err := s.Feed(prompt, model.WantLast)
	if err != nil {
		t.Fatal(err)
	}
	made, err := d.First(&fed{logits: logits, vocab: s.Vocab(), whole: whole})
	costs := speculate.NewCosts(64)
	for out = append(out, made...); err == nil && len(out) < 150; out = append(out, made...) {
		if company {
			d.Join(speculate.Company{Costs: costs, Rows: 1 + r.IntN(40), Sequences: 1 + r.IntN(8), Speed: 3 * r.Float64()})
		}
		n := r.IntN(speculate.MaxDraft + 2)
		plan, err := d.Plan(n)
		if err != nil {
			t.Fatal(err)
		}
		if r.IntN(5) == 0 {
			plan, err = d.Plan(n)
		}
		gains := d.Gains()
		if err != nil || len(plan) < 1 || len(plan) > 1+n || len(gains) != len(plan)-1 {
			t.Fatalf("%d tokens for %d, gains %v, %v", len(plan), n, gains, err)
		}
		for i, g := range gains {
			if g < 0 || g > 1 || i > 0 && g > gains[i-1] {
				t.Errorf("gains %v", gains)
			}
		}
		if r.IntN(3) == 0 {
			plan = d.Cut(r.IntN(len(plan) + 1))
		}
		f := &fed{vocab: s.Vocab(), text: append(slices.Clone(s.Tokens()), plan[0]), plan: slices.Clone(plan), whole: whole}
		if ranking, ok := d.Ranking(); ok {
			f.r = &ranking
		}
		if f.logits, err = s.Feed(plan, model.WantAll); err != nil {
			t.Fatal(err)
		}
		costs.Passed(len(plan)+3, len(plan)-1, time.Duration(len(plan))*time.Millisecond)
		if made, err = d.Take(f, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(made))
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, most
}

// Rows that do not belong to the plan are refused.
func TestTakeWithoutPlan(t *testing.T) {
	s := session(t, fixture(t, "mamba2-half"), 64)
	d := speculate.New(s, sample.Options{}, speculate.Options{})
	logits, err := s.Feed([]int32{1, 2, 3}, model.WantLast)
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	if _, err := d.First(&fed{logits: logits, vocab: s.Vocab(), whole: &whole}); err != nil {
		t.Fatal(err)
	}
	id, _ := d.Pending()
	if logits, err = s.Feed([]int32{(id + 1) % int32(s.Vocab())}, model.WantLast); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Take(&fed{logits: logits, vocab: s.Vocab(), whole: &whole}, 0); err == nil {
		t.Error("taken")
	}
}
