package chat_test

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// talk opens a session for greedy conversations.
func talk(t testing.TB, f *format.File) (*chat.Engine, *model.Session) {
	t.Helper()
	e, err := chat.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Model.NewSession(cpu.New(0), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return e, s
}

// answer is the greedy reply to the messages, in a conversation of its own.
func answer(t testing.TB, e *chat.Engine, s *model.Session, messages []chat.Message) string {
	t.Helper()
	if err := s.Reset(); err != nil {
		t.Fatal(err)
	}
	c := e.Converse(s, chat.Settings{MaxTokens: 400})
	c.Load(messages)
	r, err := c.Reply(context.Background(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return r.Text
}

// lines reads a file of JSON lines.
func lines[T any](t testing.TB, path string) (out []T) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// The float32 specification's greedy transcripts come out word for word,
// wherever no two logits came so close that rounding may decide.
func TestTranscripts(t *testing.T) {
	type transcript struct {
		Messages []chat.Message `json:"messages"`
		Text     string         `json:"text"`
		Gap      float64        `json:"min_top2_gap"`
	}
	for _, name := range []string{"hybrid-mamba1", "hybrid-mamba2"} {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("demo", name), "f32")
			e, s := talk(t, f)
			same, must := 0, 0
			for _, want := range lines[transcript](t, testutil.Data("demo", name, "transcripts.jsonl")) {
				got := answer(t, e, s, want.Messages)
				if got == want.Text {
					same++
				}
				if want.Gap > 0.02 {
					if must++; got != want.Text {
						t.Errorf("gap %.4f:\n got %q\nwant %q", want.Gap, got, want.Text)
					}
				}
			}
			t.Logf("%d are the same, %d must be", same, must)
			if must == 0 {
				t.Error("no transcript is clear enough to judge by")
			}
		})
	}
}

// Quantized demos answer as many questions as the float32 specification, less
// at most 2 of 180.
func TestEval(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes; run without -short")
	}
	type question struct {
		Kind     string         `json:"kind"`
		Messages []chat.Message `json:"messages"`
		Answer   string         `json:"answer"`
	}
	questions := lines[question](t, testutil.Data("demo", "eval.jsonl"))
	// What the specification answers right.
	spec := map[string]int{"hybrid-mamba1": 169, "hybrid-mamba2": 180}
	for _, name := range []string{"hybrid-mamba2", "hybrid-mamba1"} {
		for _, mix := range []string{"q8_0", "q4_k_m"} {
			t.Run(name+"/"+mix, func(t *testing.T) {
				f, _ := testutil.Convert(t, testutil.Data("demo", name), mix)
				e, s := talk(t, f)
				right := map[string]int{}
				total := 0
				for _, q := range questions {
					if strings.TrimSpace(answer(t, e, s, q.Messages)) == q.Answer {
						right[q.Kind]++
						total++
					}
				}
				t.Logf("%d of %d right: %v", total, len(questions), right)
				if total < spec[name]-2 {
					t.Errorf("%d answers are right, the specification's are %d", total, spec[name])
				}
			})
		}
	}
}
