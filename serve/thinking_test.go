package serve_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// thinker is a model whose template begins each reply with thoughts, and whose token 481
// ends them.
func thinker(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	copyFile := func(name string, change func(string) string) {
		data, err := os.ReadFile(testutil.Data("families", "llama", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(change(string(data))), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	same := func(s string) string { return s }
	copyFile("model.safetensors", same)
	copyFile("config.json", same)
	copyFile("tokenizer.json", func(s string) string { return strings.ReplaceAll(s, "<|end_of_text|>", "</think>") })
	copyFile("tokenizer_config.json", func(s string) string {
		const header = `assistant<|end_header_id|>\n\n`
		if strings.Count(s, header) != 1 {
			t.Fatalf("the template has changed: %s", s)
		}
		return strings.Replace(s, header, header+`<think>\n`, 1) + "\n"
	})
	_, path := testutil.Convert(t, dir, "q8_0")
	return path
}

// events are the JSON objects of a stream's lines.
func jsonLines(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	in := bufio.NewScanner(strings.NewReader(text))
	for in.Scan() {
		line := strings.TrimPrefix(in.Text(), "data: ")
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(line, err)
		}
		list = append(list, v)
	}
	return list
}

// at is a value within JSON, or nil.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

// What a model thinks comes apart from what it says, at every endpoint, whole and
// streamed.
func TestThinking(t *testing.T) {
	path := thinker(t)
	on := start(t, serve.Options{Models: []string{path}})
	m, err := llm.Open(path, llm.Options{Backend: "cpu", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	prompt, err := m.Engine().Prompt(llm.User("Hello"))
	if err != nil {
		t.Fatal(err)
	}
	talk := []said{{"user", "Hello"}}
	parameters := func(more map[string]any) map[string]any {
		out := map[string]any{"max_tokens": 40, "temperature": 2, "top_k": 0, "top_p": 1, "seed": 1, "logit_bias": map[string]int{"481": 7, "484": -100}}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	// The text as it is made.
	_, raw := post(t, on, "/v1/completions", mustMarshal(parameters(map[string]any{"prompt": prompt, "logprobs": 0})))
	var whole map[string]any
	if err := json.Unmarshal([]byte(raw), &whole); err != nil {
		t.Fatal(raw, err)
	}
	thought, words, ended := strings.Cut(str(at(whole, "choices", 0, "text")), "</think>")
	thought, words = strings.TrimSpace(thought), strings.TrimSpace(words)
	if !ended || thought == "" || words == "" {
		t.Fatalf("%q has no thoughts and words; take another seed", raw)
	}
	tokens := slices.Index(at(whole, "choices", 0, "logprobs", "tokens").([]any), any("</think>")) + 1

	check := func(name, gotThought, gotWords string) {
		if gotThought != thought || strings.TrimSpace(gotWords) != words {
			t.Errorf("%s: thought %q, said %q, want %q and %q", name, gotThought, gotWords, thought, words)
		}
	}
	for _, stream := range []bool{false, true} {
		get := func(path string, more map[string]any) []map[string]any {
			more["stream"] = stream
			status, text := post(t, on, path, mustMarshal(parameters(more)))
			if status != 200 {
				t.Fatal(path, status, text)
			}
			return jsonLines(t, text)
		}
		join := func(list []map[string]any, path ...any) string {
			all := ""
			for _, v := range list {
				all += str(at(v, path...))
			}
			return all
		}
		kind := map[bool]any{false: "message", true: "delta"}[stream]
		list := get("/v1/chat/completions", map[string]any{"messages": talk, "stream_options": map[string]any{"include_usage": true}})
		check("chat", join(list, "choices", 0, kind, "reasoning_content"), join(list, "choices", 0, kind, "content"))
		if n := at(list[len(list)-1], "usage", "completion_tokens_details", "reasoning_tokens"); n != float64(tokens) {
			t.Errorf("%v tokens of thoughts, want %d", n, tokens)
		}

		list = get("/v1/responses", map[string]any{"input": "Hello", "max_output_tokens": 40})
		last := list[len(list)-1]
		if stream {
			deltas := map[any]string{}
			for _, v := range list {
				deltas[v["type"]] += str(v["delta"])
			}
			check("responses, as events", deltas["response.reasoning_text.delta"], deltas["response.output_text.delta"])
			last = last["response"].(map[string]any)
		}
		check("responses", str(at(last, "output", 0, "content", 0, "text")), str(at(last, "output", 1, "content", 0, "text")))
		if at(last, "output", 0, "type") != "reasoning" || at(last, "usage", "output_tokens_details", "reasoning_tokens") != float64(tokens) {
			t.Errorf("responses: %v", last)
		}

		list = get("/v1/messages", map[string]any{"messages": talk, "thinking": map[string]any{"type": "enabled", "budget_tokens": 1024}})
		if stream {
			check("messages, as events", join(list, "delta", "thinking"), join(list, "delta", "text"))
		} else {
			check("messages", str(at(list[0], "content", 0, "thinking")), str(at(list[0], "content", 1, "text")))
		}

		options := map[string]any{"num_predict": 40, "temperature": 2, "top_k": 0, "top_p": 1, "seed": 1}
		list = get("/api/chat", map[string]any{"messages": talk, "options": options, "think": true})
		check("ollama", join(list, "message", "thinking"), join(list, "message", "content"))
		list = get("/api/generate", map[string]any{"prompt": "Hello", "options": options})
		check("ollama's generate", join(list, "thinking"), join(list, "response"))
	}
	// Thoughts come back in later requests.
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","reasoning_content":"c"},{"role":"user","content":"d"}],"max_tokens":1}`,
		"/v1/messages":         `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"c","signature":""},{"type":"text","text":"b"}]},{"role":"user","content":"d"}],"max_tokens":1}`,
		"/v1/responses":        `{"input":[{"role":"user","content":"a"},{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"c"}]},{"role":"assistant","content":"b"},{"role":"user","content":"d"}],"max_output_tokens":1}`,
		"/api/chat":            `{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b","thinking":"c"},{"role":"user","content":"d"}],"options":{"num_predict":1}}`,
	} {
		if status, text := post(t, on, path, body); status != 200 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}

func str(v any) string { s, _ := v.(string); return s }
