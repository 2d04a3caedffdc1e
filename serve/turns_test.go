package serve_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// long is a family's model with a tokenizer, a template and a long context.
func long(t *testing.T, family string) string {
	t.Helper()
	dir, from := t.TempDir(), testutil.Data("families", family)
	data, err := os.ReadFile(filepath.Join(from, "config.json"))
	var config map[string]any
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil {
		t.Fatal(err)
	}
	if config["max_position_embeddings"] != nil {
		config["max_position_embeddings"] = 16384
	}
	delete(config, "rope_scaling")
	files := map[string][]byte{"config.json": []byte(mustMarshal(config))}
	for name, from := range map[string]string{"model.safetensors": from, "tokenizer.json": testutil.Data("families", "llama"), "tokenizer_config.json": testutil.Data("families", "llama")} {
		if files[name], err = os.ReadFile(filepath.Join(from, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, path := testutil.Convert(t, dir, "q8_0")
	return path
}

type said struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// turn asks for a reply of random tokens, which its text would hardly be encoded to.
func turn(t *testing.T, ask func(body string) completion, talk []said, seed int) (c completion, reply said) {
	t.Helper()
	c = ask(mustMarshal(map[string]any{"messages": talk, "max_tokens": 30, "temperature": 3, "top_k": 0, "top_p": 1, "seed": seed}))
	return c, said{"assistant", c.Choices[0].Message.Content}
}

// words is a text of that many words.
func words(n int, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d ", i*7%1000)
	}
	return b.String() + last
}

// The next turn of a long conversation reads only what is new, in every family, though
// the reply's text would be encoded to other tokens. After an edit in the middle at most
// 1,024 tokens before it are read again.
func TestNextTurn(t *testing.T) {
	n := 700 // some 2,800 tokens
	families := testutil.Families(t)
	if testing.Short() {
		n, families = 400, families[:4]
	}
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			on := start(t, serve.Options{Models: []string{long(t, family)}, LLM: llm.Options{Context: 16384}})
			next := func(body string) completion { return ask(t, on, "/v1/chat/completions", body) }
			talk := []said{{"user", words(n, "first")}}
			for i := range 3 {
				c, reply := turn(t, next, talk, i)
				read := c.Usage.Prompt + c.Usage.Completion - 1 // the last token was made, and not read
				talk = append(talk, reply, said{"user", "And then? " + fmt.Sprint(i)})
				c, _ = turn(t, next, talk, 9)
				if c.Usage.Details.Cached != read && strings.TrimSpace(reply.Content) != "" { // else the text has nothing of the reply
					t.Errorf("turn %d: %d tokens are taken from the cache, %d had been read; %q", i, c.Usage.Details.Cached, read, reply.Content)
				}
			}
			whole, _ := turn(t, next, talk, 9)
			at := len(talk[0].Content) / 2
			before := ask(t, on, "/v1/completions", mustMarshal(map[string]any{"prompt": talk[0].Content[:at], "max_tokens": 1})).Usage.Prompt
			talk[0].Content = talk[0].Content[:at] + " changed " + talk[0].Content[at:]
			c, _ := turn(t, next, talk, 9)
			if cached := c.Usage.Details.Cached; cached < before-1024 || cached > before+64 {
				t.Errorf("after an edit behind %d of %d tokens, %d are taken from the cache", before, whole.Usage.Prompt, cached)
			}
		})
	}
}

// After a restart the next turn of a conversation reads only what is new.
func TestTurnAfterRestart(t *testing.T) {
	n, families := 700, []string{"granite-h", "falcon-h1", "mamba-hf", "mistral-window", "nemotron-h"}
	if testing.Short() {
		n, families = 400, families[:2]
	}
	for _, family := range families {
		t.Run(family, func(t *testing.T) {
			model, dir := long(t, family), t.TempDir()
			talk := []said{{"user", words(n, "first")}}
			read := 0
			for i := range 3 {
				s, err := serve.New(serve.Options{Models: []string{model}, LLM: llm.Options{Backend: "cpu", Threads: 2, Context: 16384}, Memory: 1 << 30, Sessions: dir})
				if err != nil {
					t.Fatal(err)
				}
				c, reply := turn(t, func(body string) (c completion) {
					resp := record(t, s, "POST", "/v1/chat/completions", body)
					if err := json.NewDecoder(resp.Body).Decode(&c); err != nil || resp.StatusCode != 200 {
						t.Fatal(resp.StatusCode, err)
					}
					return c
				}, talk, i)
				if c.Usage.Details.Cached != read {
					t.Errorf("turn %d: %d tokens are taken from the cache, %d had been read", i, c.Usage.Details.Cached, read)
				}
				read = c.Usage.Prompt + c.Usage.Completion - 1
				if strings.TrimSpace(reply.Content) == "" {
					t.Fatal("an empty reply says nothing; take another seed")
				}
				talk = append(talk, reply, said{"user", "And then?"})
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
