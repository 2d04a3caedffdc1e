package speculate_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// Tokens are the same with every draft where the context slides under them, and
// a model that drafts for itself slides where it does as the target.
func TestTextIsTheSameWhereItSlides(t *testing.T) {
	textsSlide(t, sample.Options{RepeatPenalty: 1.1}, 64, 100)
	textsSlide(t, sample.Options{Temp: 0.5, TopP: 0.95, Seed: 6}, 64)
}

func textsSlide(t *testing.T, o sample.Options, contexts ...int) {
	t.Helper()
	prompt := []int32{7, 11, 250, 3, 9, 7, 11, 250}
	for i, name := range testutil.Checkpoints(t) {
		for _, context := range contexts {
			f := fixture(t, name)
			sliding := func(context int) *model.Session {
				m, err := model.Open(f)
				if err != nil {
					t.Fatal(err)
				}
				s, err := m.NewSession(cpu.New(1), model.Options{Context: context, Slide: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				return s
			}
			target := sliding(context)
			want, _ := generate(t, target, o, speculate.Options{}, prompt, 200)
			dropped := target.Dropped()
			ks := []int{-1, 4, 15}
			if testing.Short() { // each on every third model
				ks = ks[i%3:][:1]
			}
			for _, k := range ks {
				for kind, d := range map[string]speculate.Drafter{
					"hostile":    hostile{rand.New(rand.NewPCG(1, 1)), target.Vocab()},
					"itself":     speculate.NewModel(sliding(context), o),
					"less space": speculate.NewModel(sliding(70), o),
					"lookup":     speculate.NewLookup(),
				} {
					got, stats := generate(t, target, o, speculate.Options{Draft: d, K: k}, prompt, 200)
					if !slices.Equal(got, want) || target.Dropped() < dropped {
						t.Errorf("%s, context %d, draft %s, K %d: other tokens", name, context, kind, k)
					}
					if kind == "itself" && k > 0 && stats.Rate() < 0.999 {
						t.Errorf("%s as its own draft, context %d, K %d: %.3f accepted", name, context, k, stats.Rate())
					}
				}
			}
		}
	}
}
