//go:build linux

package metal

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	plain "github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

func session(t testing.TB, b backend.Backend, f *format.File, o model.Options) *model.Session {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// logits feeds all tokens, n at a time, and returns every row.
func logits(t testing.TB, s *model.Session, tokens []int32, n int) (out []float32) {
	t.Helper()
	for part := range slices.Chunk(tokens, n) {
		l, err := s.Feed(part, model.WantAll)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l...)
	}
	return out
}

// Every published layout gives the specification's logits; quantized, those that the
// naive backend gives.
func TestFixtures(t *testing.T) {
	s := kernelsHere(t)
	for _, name := range testutil.Checkpoints(t) {
		t.Run(name, func(t *testing.T) {
			want := testutil.Safetensors(t, testutil.Data("fixtures", name, "expected.safetensors"))
			tokens := want["tokens"].I32
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "f32")
			for _, n := range []int{5, len(tokens)} {
				got := logits(t, session(t, newBackend(s), f, model.Options{}), tokens, n)
				if e := testutil.RelativeError(got, want["logits"].F32); !(e < 1e-4) {
					t.Errorf("%d at a time: relative error %.2g of the logits", n, e)
				}
			}
			f, _ = testutil.Convert(t, testutil.Data("fixtures", name), "q4_k_m")
			naive := logits(t, session(t, plain.New(0), f, model.Options{}), tokens, 8)
			if e := testutil.RelativeError(logits(t, session(t, newBackend(s), f, model.Options{}), tokens, len(tokens)), naive); !(e < 1e-3) {
				t.Errorf("q4_k_m: relative error %.2g of the logits", e)
			}
		})
	}
}

// Feeding, committing and going back in any order leaves exactly the state of
// having fed the kept tokens one at a time: the next logits agree to the bit.
func TestCommitEqualsInOrder(t *testing.T) {
	k := kernelsHere(t)
	mixes := map[string]string{"llama": "q8_0", "mamba1-half": "q4_k_m", "mamba2-half": "q6_k", "pure-mamba2": "bf16"}
	for _, name := range testutil.Families(t) {
		mixes["../families/"+name] = "q8_0"
	}
	for name, mix := range mixes {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), mix)
			r := rand.New(rand.NewPCG(1, 2))
			s, plain := session(t, newBackend(k), f, model.Options{Context: 512}), session(t, newBackend(k), f, model.Options{Context: 512})
			for range 6 {
				draft := make([]int32, 1+r.IntN(backend.MaxVerify))
				for i := range draft {
					draft[i] = int32(r.IntN(500))
				}
				rows, err := s.Feed(draft, model.WantAll)
				if err != nil {
					t.Fatal(err)
				}
				rows = slices.Clone(rows)
				keep := r.IntN(len(draft) + 1)
				if err := s.Commit(keep); err != nil {
					t.Fatal(err)
				}
				for i, id := range draft[:keep] {
					want, err := plain.Feed([]int32{id}, model.WantLast)
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(rows[i*s.Vocab():(i+1)*s.Vocab()], want) {
						t.Fatalf("token %d of %d, %d kept: the logits differ from feeding in order", i, len(draft), keep)
					}
				}
			}
		})
	}
}

// The demo inside the binary answers as everywhere.
func TestDemo(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	e, err := chat.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s := session(t, newBackend(kernelsHere(t)), f, model.Options{})
	for _, x := range demo.Transcripts()[:1] {
		c := e.Converse(s, chat.Settings{MaxTokens: 400})
		var messages []chat.Message
		for _, m := range x.Messages {
			messages = append(messages, chat.Message{Role: m.Role, Content: m.Content})
		}
		c.Load(messages)
		r, err := c.Reply(context.Background(), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if r.Text != x.Text {
			t.Errorf("%q, want %q", r.Text, x.Text)
		}
	}
}
