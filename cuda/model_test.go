package cuda_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/cuda"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// device is a backend on this machine's card, or the test is skipped.
func device(t testing.TB) *cuda.Backend {
	t.Helper()
	b, err := cuda.Open(cuda.Options{})
	if errors.Is(err, cuda.ErrAbsent) || errors.Is(err, cuda.ErrNoDevice) {
		t.Skipf("no CUDA device: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

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

// Every published layout, converted at float32, gives the specification's
// logits; quantized, those of the naive backend.
func TestFixtures(t *testing.T) {
	b := device(t)
	for _, name := range testutil.Checkpoints(t) {
		t.Run(name, func(t *testing.T) {
			want := testutil.Safetensors(t, testutil.Data("fixtures", name, "expected.safetensors"))
			tokens := want["tokens"].I32
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "f32")
			for _, n := range []int{1, 5, len(tokens)} {
				got := logits(t, session(t, b, f, model.Options{}), tokens, n)
				if e := testutil.RelativeError(got, want["logits"].F32); !(e < 1e-3) {
					t.Errorf("%d at a time: relative error %.2g of the logits", n, e)
				}
			}
			for _, mix := range []string{"bf16", "q8_0", "q4_k_m"} {
				f, _ := testutil.Convert(t, testutil.Data("fixtures", name), mix)
				plain := logits(t, session(t, ref.New(0), f, model.Options{}), tokens, 8)
				for _, n := range []int{1, len(tokens)} {
					e := testutil.RelativeError(logits(t, session(t, b, f, model.Options{}), tokens, n), plain)
					bound := 2e-3
					if mix != "bf16" {
						bound = 5e-2 // int8 activations
					}
					t.Logf("%s, %d at a time: %.2g", mix, n, e)
					if !(e < bound) {
						t.Errorf("%s, %d at a time: relative error %.2g of the logits", mix, n, e)
					}
				}
			}
		})
	}
}

// Feeding, committing and going back in any order leaves exactly the state of
// having fed the kept tokens one at a time: the next logits agree to the bit.
func TestCommitEqualsInOrder(t *testing.T) {
	b := device(t)
	for _, name := range testutil.Checkpoints(t) {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
			r := rand.New(rand.NewPCG(1, 2))
			s, plain := session(t, b, f, model.Options{Context: 512}), session(t, b, f, model.Options{Context: 512})
			for range 25 {
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

// A model whose first layers are on the device gives the logits of the whole.
func TestSplit(t *testing.T) {
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "f32")
	tokens := make([]int32, 60)
	for i := range tokens {
		tokens[i] = int32(i * 37 % 500)
	}
	want := logits(t, session(t, ref.New(0), f, model.Options{}), tokens, 7)
	for layers := 1; layers < 4; layers++ {
		b := split.New(device(t), cpu.New(2), layers, nil)
		got := logits(t, session(t, b, f, model.Options{}), tokens, 7)
		if e := testutil.RelativeError(got, want); !(e < 1e-4) {
			t.Errorf("%d layers on the device: relative error %.2g", layers, e)
		}
	}
}

// The float32 specification's greedy transcripts come out word for word, but
// where two logits came so close that rounding may decide.
func TestTranscripts(t *testing.T) {
	b := device(t)
	for _, name := range []string{"hybrid-mamba1", "hybrid-mamba2"} {
		f, _ := testutil.Convert(t, testutil.Data("demo", name), "f32")
		e, err := chat.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		s := session(t, b, f, model.Options{})
		file, err := os.Open(testutil.Data("demo", name, "transcripts.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		same, all := 0, 0
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var x struct {
				Messages []chat.Message `json:"messages"`
				Text     string         `json:"text"`
				Gap      float64        `json:"min_top2_gap"`
			}
			if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
				t.Fatal(err)
			}
			if err := s.Reset(); err != nil {
				t.Fatal(err)
			}
			c := e.Converse(s, chat.Settings{MaxTokens: 400})
			c.Load(x.Messages)
			r, err := c.Reply(context.Background(), func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			all++
			if r.Text == x.Text {
				same++
			} else if x.Gap > 0.02 {
				t.Errorf("%s: %q, want %q", name, r.Text, x.Text)
			}
		}
		t.Logf("%s: %d of %d transcripts word for word", name, same, all)
	}
}
