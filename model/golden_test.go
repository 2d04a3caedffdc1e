package model_test

import (
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

func session(t testing.TB, f *format.File, o model.Options) *model.Session {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return sessionOn(t, cpu.New(0), m, o)
}

func sessionOn(t testing.TB, b backend.Backend, m *model.Model, o model.Options) *model.Session {
	t.Helper()
	s, err := m.NewSession(b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// plain is a session on the backend that defines what is right.
func plain(t testing.TB, f *format.File, o model.Options) *model.Session {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return sessionOn(t, ref.New(0), m, o)
}

// logits feeds all tokens, in one feed or one at a time, and returns every row.
func logits(t testing.TB, s *model.Session, tokens []int32, step bool) []float32 {
	t.Helper()
	n := len(tokens)
	if step {
		n = 1
	}
	var out []float32
	for len(tokens) > 0 {
		l, err := s.Feed(tokens[:n], model.WantAll)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l...)
		tokens = tokens[n:]
	}
	return out
}

// Every published layout, converted at float32, gives the specification's
// logits.
func TestFixtures(t *testing.T) {
	for _, name := range testutil.Fixtures(t) {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "f32")
			want := testutil.Safetensors(t, testutil.Data("fixtures", name, "expected.safetensors"))
			for _, step := range []bool{false, true} {
				for on, s := range map[string]*model.Session{"cpu": session(t, f, model.Options{}), "ref": plain(t, f, model.Options{})} {
					got := logits(t, s, want["tokens"].I32, step)
					if e := testutil.RelativeError(got, want["logits"].F32); !(e < 1e-4) {
						t.Errorf("%s, step %t: relative error %.2g of the logits", on, step, e)
					}
				}
			}
		})
	}
}
