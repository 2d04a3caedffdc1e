package serve_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/serve"
)

// A request as lm-evaluation-harness sends it is answered with the log-probabilities of
// the prompt's tokens, which are those of the model's logits.
func TestEchoLogprobs(t *testing.T) {
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	on := start(t, serve.Options{})
	for _, n := range []int{1, 5, 150} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(7+i*31) % 500
		}
		s, err := m.Engine().Model.NewSession(cpu.New(2), model.Options{Context: 256})
		if err != nil {
			t.Fatal(err)
		}
		rows, err := s.Read(ids, model.WantAll, nil) // as mil logits does
		if err != nil {
			t.Fatal(err)
		}
		for _, most := range []int{1, 0} {
			body := fmt.Sprintf(`{"model":"demo","prompt":%s,"temperature":0,"max_tokens":%d,"logprobs":1,"seed":1234,"echo":true}`, mustJSON(ids), most)
			status, text := post(t, on, "/v1/completions", body)
			var c struct {
				Choices []struct {
					Text     string
					Logprobs struct {
						Tokens  []string
						Probs   []*float64           `json:"token_logprobs"`
						Top     []map[string]float64 `json:"top_logprobs"`
						Offsets []int                `json:"text_offset"`
					}
				}
				Usage struct {
					Made int `json:"completion_tokens"`
				}
			}
			if err := json.Unmarshal([]byte(text), &c); err != nil || status != 200 {
				t.Fatal(status, text, err)
			}
			l := c.Choices[0].Logprobs
			if len(l.Tokens) != n+most || len(l.Probs) != n+most || len(l.Top) != n+most || len(l.Offsets) != n+most || l.Probs[0] != nil || c.Usage.Made != most {
				t.Fatalf("%d tokens: %s", n, text)
			}
			v := s.Vocab()
			for i := 1; i < n; i++ {
				want := sample.RowLogprobs(rows[(i-1)*v:i*v], ids[i], 1)
				best := m.Tokenizer().Piece(want.Top[0].ID)
				if math.Abs(*l.Probs[i]-want.Chosen.Logprob) > 1e-4 || math.Abs(l.Top[i][best]-want.Top[0].Logprob) > 1e-4 {
					t.Fatalf("%d tokens, token %d: %g, %v, the model says %+v", n, i, *l.Probs[i], l.Top[i], want)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Chats give the log-probabilities of each token, whole and streamed, and the text is
// the one without them.
func TestChatLogprobs(t *testing.T) {
	on := start(t, serve.Options{LLM: llm.Options{Draft: "lookup"}})
	plain := ask(t, on, "/v1/chat/completions", tale+"}").Choices[0].Message.Content
	type content struct {
		Content []struct {
			Token   string
			Logprob float64
			Top     []struct{ Token string } `json:"top_logprobs"`
		}
	}
	var whole struct {
		Choices []struct {
			Message  struct{ Content string }
			Logprobs content
		}
	}
	_, text := post(t, on, "/v1/chat/completions", tale+`,"logprobs":true,"top_logprobs":3}`)
	if err := json.Unmarshal([]byte(text), &whole); err != nil || whole.Choices[0].Message.Content != plain {
		t.Fatal(text, err)
	}
	_, text = post(t, on, "/v1/chat/completions", tale+`,"logprobs":true,"top_logprobs":3,"stream":true}`)
	var streamed content
	for line := range strings.Lines(text) {
		var e struct{ Choices []struct{ Logprobs content } }
		if data, ok := strings.CutPrefix(line, "data: "); ok && json.Unmarshal([]byte(data), &e) == nil && len(e.Choices) > 0 {
			streamed.Content = append(streamed.Content, e.Choices[0].Logprobs.Content...)
		}
	}
	for _, c := range []content{whole.Choices[0].Logprobs, streamed} {
		said := ""
		for _, x := range c.Content {
			if said += x.Token; len(x.Top) != 3 || x.Top[0].Token != x.Token || x.Logprob > 0 {
				t.Errorf("%+v is no greedy token", x)
			}
		}
		if len(c.Content) != 24 || said != plain {
			t.Errorf("%d tokens make %q, not %q", len(c.Content), said, plain)
		}
	}
	for _, wrong := range []string{`"top_logprobs":3`, `"logprobs":true,"top_logprobs":21`, `"logprobs":5`} {
		if status, text := post(t, on, "/v1/chat/completions", tale+","+wrong+"}"); status != 400 || !strings.Contains(text, "logprobs") {
			t.Errorf("%s: %d %s", wrong, status, text)
		}
	}
}
