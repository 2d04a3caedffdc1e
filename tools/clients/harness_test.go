package clients

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// ask posts JSON without any client.
func ask(t *testing.T, path, body string, into any) {
	t.Helper()
	r, err := http.NewRequest("POST", address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode == 200 {
		err = json.Unmarshal(data, into)
	}
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %.300s %v", body, resp.StatusCode, data, err)
	}
}

// completion is an answer of /v1/completions, with what lm-evaluation-harness reads of it.
type completion struct {
	Choices []struct {
		Index        int
		Text         string
		FinishReason string `json:"finish_reason"`
		Logprobs     struct {
			Tokens  []string
			Chosen  []*float64           `json:"token_logprobs"`
			Top     []map[string]float64 `json:"top_logprobs"`
			Offsets []int                `json:"text_offset"`
		}
	}
}

// likelihood is what lm-evaluation-harness makes of a choice: the sum of the
// log-probabilities behind the context without the last token's, which was made, and
// whether all these tokens are the likeliest ones.
func (c *completion) likelihood(i, context int) (sum float64, greedy bool) {
	l := &c.Choices[i].Logprobs
	greedy = true
	for j := context; j < len(l.Chosen)-1; j++ {
		best := math.Inf(-1)
		for _, p := range l.Top[j] {
			best = max(best, p)
		}
		sum += *l.Chosen[j]
		greedy = greedy && *l.Chosen[j] == best
	}
	return sum, greedy
}

// logits are the rows of mil logits for tokens.
func logits(t *testing.T, ids []int) [][]float32 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "logits.safetensors")
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(ids), " ", ","), "[]")
	if out, err := exec.Command(mil, "logits", "demo", "--tokens", list, "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, (len(data)-8-int(binary.LittleEndian.Uint64(data)))/4)
	if err := binary.Read(bytes.NewReader(data[len(data)-4*len(values):]), binary.LittleEndian, values); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(slices.Chunk(values, len(values)/len(ids)))
}

// logprob is that of a token after a row of logits.
func logprob(row []float32, id int) float64 {
	most, sum := float64(slices.Max(row)), 0.0
	for _, x := range row {
		sum += math.Exp(float64(x) - most)
	}
	return float64(row[id]) - most - math.Log(sum)
}

// Requests for likelihoods, as lm-evaluation-harness writes them, are answered: one
// prompt of token ids, batches of them, and texts. The sums are those of mil logits,
// for prompts of any length, and what the model itself says next is greedy.
func TestHarnessLikelihoods(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var batch [][]int
	for _, n := range []int{2, 3, 9, 16, 17, 33, 64, 65, 130, 5, 12, 40} {
		ids := make([]int, n)
		for i := range ids {
			ids[i] = 5 + random.IntN(400)
		}
		batch = append(batch, ids)
	}
	for _, prompts := range []any{batch[:1], batch[2:3], batch} {
		list, err := json.Marshal(prompts)
		if err != nil {
			t.Fatal(err)
		}
		var c completion
		ask(t, "/v1/completions", `{"model":"demo","prompt":`+string(list)+`,"temperature":0,"max_tokens":1,"logprobs":1,"seed":1234,"echo":true}`, &c)
		if len(c.Choices) != len(prompts.([][]int)) {
			t.Fatalf("%d choices for %s", len(c.Choices), list)
		}
		for i, ids := range prompts.([][]int) {
			context, want := len(ids)/2, 0.0
			rows := logits(t, ids)
			for j := 1; j < len(ids); j++ {
				p := logprob(rows[j-1], ids[j])
				if got := c.Choices[i].Logprobs.Chosen[j]; math.Abs(*got-p) > 1e-4 {
					t.Fatalf("token %d of %d: %g, mil logits says %g", j, len(ids), *got, p)
				}
				if j >= context {
					want += p
				}
			}
			got, greedy := c.likelihood(i, max(context, 1))
			if c.Choices[i].Index != i || math.Abs(got-want) > 1e-4*float64(len(ids)) || greedy && len(ids) > 4 {
				t.Errorf("prompt %d: %g, greedy %v, want %g", i, got, greedy, want)
			}
		}
	}
	var said, heard completion
	ask(t, "/v1/completions", `{"model":"demo","prompt":["Once upon a time"],"temperature":0,"max_tokens":12,"logprobs":0,"seed":1234,"echo":true}`, &said)
	text, err := json.Marshal([]string{said.Choices[0].Text})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, "/v1/completions", `{"model":"demo","prompt":`+string(text)+`,"temperature":0,"max_tokens":1,"logprobs":1,"seed":1234,"echo":true}`, &heard)
	context := len(said.Choices[0].Logprobs.Chosen) - 12
	if _, greedy := heard.likelihood(0, context); !greedy || len(heard.Choices[0].Logprobs.Chosen) != context+13 {
		t.Errorf("the model does not agree with itself: %+v", heard)
	}
}

// Requests for texts, as lm-evaluation-harness writes them for completions and chats.
func TestHarnessTexts(t *testing.T) {
	want := want(t)
	stop := strings.Fields(want)[6]
	var c completion
	ask(t, "/v1/completions", `{"prompt":["Once upon a time","The fox","Once upon a time"],"model":"demo","max_tokens":16,"temperature":0,"stop":["\n\n","<|eot_id|>"],"seed":1234}`, &c)
	if len(c.Choices) != 3 || c.Choices[0].Text == "" || c.Choices[0].Text != c.Choices[2].Text || c.Choices[1].Index != 1 {
		t.Errorf("%+v", c)
	}
	ask(t, "/v1/completions", `{"prompt":[[5,40,100]],"model":"demo","max_tokens":8,"temperature":0.7,"stop":[],"seed":1234,"top_p":0.9}`, &c)
	if c.Choices[0].FinishReason != "length" {
		t.Errorf("%+v", c)
	}
	for _, more := range []string{`"max_tokens":24`, `"max_completion_tokens":24`} {
		var chat struct {
			Choices []struct {
				Message      struct{ Content string }
				FinishReason string `json:"finish_reason"`
			}
		}
		ask(t, "/v1/chat/completions", `{"messages":[{"role":"user","content":"`+prompt+`","type":"text"}],"model":"demo",`+more+`,"temperature":0,"stop":[`+fmt.Sprintf("%q", stop)+`,"<|eot_id|>"],"seed":1234}`, &chat)
		if before, _, _ := strings.Cut(want, stop); chat.Choices[0].Message.Content != before || chat.Choices[0].FinishReason != "stop" {
			t.Errorf("%+v, want %q", chat, before)
		}
	}
	// It looks for a tokenizer of the server, and goes on without.
	resp, err := http.Get(address + "/tokenizer_info")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("tokenizer_info: %d", resp.StatusCode)
	}
}
