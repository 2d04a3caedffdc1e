package serve_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
	"github.com/mil-run/mil/tokenizer"
)

// The behaviours that llama.cpp's own tests of its server hold (tools/server/tests/unit)
// hold here too, as far as there is such a thing here. Other tests of this package hold
// chats, streams' form, stop strings, log-probabilities of chats, keys, origins, parallel
// requests, drafts, clients that leave, tools and thinking. This file has the rest.
//
// These do not apply: pictures and sounds, embeddings and ranking, adapters, infill, files
// of slots, batch sizes, templates of clients, several servers behind one, and
// /completion, /props, /tokenize and /apply-template, which are llama.cpp's own. A
// context that is full ends the reply, unless --ctx slides it. system_fingerprint is left
// out, and an unknown model is an error where llama.cpp ignores the name.

// full is an answer with all that the tests here read.
type full struct {
	ID      string
	Choices []struct {
		Index        int
		FinishReason string `json:"finish_reason"`
		Message      struct{ Role, Content string }
		Text         string
		Logprobs     struct {
			Tokens []string
			Probs  []float64            `json:"token_logprobs"`
			Top    []map[string]float64 `json:"top_logprobs"`
		}
	}
	Usage struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
		Details    struct {
			Cached int `json:"cached_tokens"`
		} `json:"prompt_tokens_details"`
	}
	Timings map[string]float64
}

func whole(t *testing.T, path, body, address string) (a full) {
	t.Helper()
	resp, err := http.Post("http://"+address+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %s %v", body, resp.StatusCode, data, err)
	}
	return a
}

// chunks are the events of a stream.
func chunks(t *testing.T, path, body, address string) (list []full) {
	t.Helper()
	resp, err := http.Post("http://"+address+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %d %s %v", body, resp.StatusCode, data, err)
	}
	for line := range strings.Lines(string(data)) {
		if e, ok := strings.CutPrefix(strings.TrimSpace(line), "data: {"); ok {
			var c full
			if err := json.Unmarshal([]byte("{"+e), &c); err != nil {
				t.Fatal(line, err)
			}
			list = append(list, c)
		}
	}
	return list
}

const story = "Once upon a time there was a clumsy fox who lived near the tall mountain. "

// A prompt is the same as text, as tokens, and in a list of both. Counts tell of both.
func TestPrompts(t *testing.T) {
	address := run(t, serve.Options{LLM: llm.Options{Context: 512}})
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	text := mustJSON(story)
	ids := whole(t, "/v1/completions", `{"prompt":`+text+`,"max_tokens":0,"echo":true,"logprobs":0}`, address)
	n := len(ids.Choices[0].Logprobs.Tokens)
	if ids.Usage.Prompt != n || ids.Usage.Completion != 0 || ids.Usage.Total != n {
		t.Errorf("%d tokens: %+v", n, ids.Usage)
	}
	const more = `,"temperature":0,"max_tokens":8}`
	want := whole(t, "/v1/completions", `{"prompt":`+text+more, address)
	if want.Usage.Prompt != n || want.Usage.Completion != 8 || want.Choices[0].FinishReason != "length" || want.Choices[0].Text == "" {
		t.Errorf("%+v", want)
	}
	if want.Timings["predicted_n"] != 8 || want.Timings["prompt_n"]+want.Timings["cache_n"] != float64(n) {
		t.Errorf("timings %v", want.Timings)
	}
	tokens := mustJSON(encoded(m, story))
	for _, prompt := range []string{tokens, "[" + tokens + "]", "[" + text + "," + tokens + "]", "[" + tokens + "," + text + "," + text + "]"} {
		got := whole(t, "/v1/completions", `{"prompt":`+prompt+more, address)
		for i, c := range got.Choices {
			if c.Index != i || c.Text != want.Choices[0].Text {
				t.Errorf("%.40s: choice %d is %q, want %q", prompt, i, c.Text, want.Choices[0].Text)
			}
		}
		if k := len(got.Choices); got.Usage.Prompt != k*n || got.Usage.Completion != 8*k {
			t.Errorf("%.40s: %d choices, %+v", prompt, k, got.Usage)
		}
	}
}

// A prompt of anything else is refused.
func TestWrongPrompts(t *testing.T) {
	on := start(t, serve.Options{LLM: llm.Options{Context: 512}})
	for _, prompt := range []string{"null", "7", "{}", "[]", "[[]]", "[null]", "[5,null]", "[[5,null]]", `["a",null]`, "[1.5]", "[-1]", "[99999999]", "[99999999999]", `[1,"a"]`, `[[1,"a"]]`, "[[[1]]]", "true"} {
		if status, text := post(t, on, "/v1/completions", `{"prompt":`+prompt+`,"max_tokens":1}`); status != 400 {
			t.Errorf("%s: %d %s", prompt, status, text)
		}
	}
}

// encoded is a prompt's tokens.
func encoded(m *llm.Model, text string) []int32 {
	return m.Tokenizer().Encode(text, tokenizer.EncodeOptions{AddSpecial: true})
}

// A seed makes a text whatever is kept of the prompt, and others make other texts. With
// one slot and two.
func TestSeeds(t *testing.T) {
	prompt := mustJSON(strings.Repeat(story, 6))
	var texts []string
	for _, slots := range []int{1, 2} {
		address := run(t, serve.Options{LLM: llm.Options{Context: 512}, Slots: slots})
		for again := range 2 {
			for seed := range 4 {
				got := whole(t, "/v1/completions", fmt.Sprintf(`{"prompt":%s,"max_tokens":12,"temperature":1,"seed":%d}`, prompt, seed), address)
				text := got.Choices[0].Text
				if again == 1 && got.Usage.Details.Cached == 0 {
					t.Errorf("nothing of %d tokens was kept", got.Usage.Prompt)
				}
				switch {
				case len(texts) <= seed && slices.Contains(texts, text):
					t.Errorf("seeds share the text %q", text)
				case len(texts) <= seed:
					texts = append(texts, text)
				case texts[seed] != text:
					t.Errorf("%d slots: seed %d made %q and %q", slots, seed, texts[seed], text)
				}
			}
		}
	}
}

// A completion has the same log-probabilities whole and streamed, of as many tokens as
// its text has, and each chosen token of a greedy text is the likeliest.
func TestCompletionLogprobs(t *testing.T) {
	address := run(t, serve.Options{LLM: llm.Options{Context: 512}})
	const body = `{"prompt":"Once upon a time","temperature":0,"max_tokens":9,"logprobs":10`
	one := whole(t, "/v1/completions", body+`}`, address).Choices[0]
	if l := one.Logprobs; len(l.Tokens) != 9 || len(l.Probs) != 9 || strings.Join(l.Tokens, "") != one.Text {
		t.Fatalf("%+v", one)
	}
	i, text := 0, ""
	for _, c := range chunks(t, "/v1/completions", body+`,"stream":true}`, address) {
		for _, x := range c.Choices {
			text += x.Text
			for k, token := range x.Logprobs.Tokens {
				best := slices.MaxFunc(values(x.Logprobs.Top[k]), func(a, b float64) int { return int(1e9 * (a - b)) })
				if p := x.Logprobs.Probs[k]; token != one.Logprobs.Tokens[i] || p != one.Logprobs.Probs[i] || p != best || p > 0 || len(x.Logprobs.Top[k]) != 10 {
					t.Errorf("token %d: %+v, whole %+v", i, x.Logprobs, one.Logprobs)
				}
				i++
			}
		}
	}
	if i != 9 || text != one.Text {
		t.Errorf("%d tokens of %q are streamed, want %q", i, text, one.Text)
	}
}

func values(m map[string]float64) (list []float64) {
	for _, v := range m {
		list = append(list, v)
	}
	return list
}

// Tokens that logit_bias bans do not appear, and one that it favours does.
func TestBias(t *testing.T) {
	address := run(t, serve.Options{LLM: llm.Options{Context: 512}})
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ban := map[string]int{}
	texts := []string{}
	for id := range m.Tokenizer().Size() {
		if piece := m.Tokenizer().Piece(int32(id)); strings.ContainsAny(piece, "aeE") && len(ban) < 1024 {
			ban[fmt.Sprint(id)] = -100
			texts = append(texts, piece)
		}
	}
	for _, temperature := range []string{"0", "1"} {
		got := whole(t, "/v1/completions", `{"prompt":"Once upon a time","max_tokens":30,"logprobs":0,"seed":5,"temperature":`+temperature+`,"logit_bias":`+mustJSON(ban)+`}`, address)
		for _, token := range got.Choices[0].Logprobs.Tokens {
			if slices.Contains(texts, token) {
				t.Errorf("%q was banned: %q", token, got.Choices[0].Text)
			}
		}
	}
	got := whole(t, "/v1/completions", `{"prompt":"Once upon a time","max_tokens":3,"temperature":0,"logit_bias":{"300":100}}`, address)
	if want := strings.Repeat(m.Tokenizer().Piece(300), 3); got.Choices[0].Text != want {
		t.Errorf("%q, want %q", got.Choices[0].Text, want)
	}
}

// Messages that are none are refused before anything is done, whole and streamed.
func TestWrongMessages(t *testing.T) {
	on := start(t, serve.Options{LLM: llm.Options{Context: 512}})
	for _, messages := range []string{
		"null", `"text"`, "7", "{}", "[]", "[123]", "[null]", "[{}]", `[{"role":123}]`, `[{"role":null,"content":"x"}]`, `[{"content":"x"}]`, `[{"role":"system","content":123}]`, `[{"role":"wizard","content":"x"}]`,
		`[{"role":"system","content":"x"},{}]`, `[{"role":"user","content":[{"type":"image_url","image_url":{"url":"file:///etc/passwd"}}]}]`, `[{"role":"user","content":[7]}]`,
	} {
		for _, path := range []string{"/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses"} {
			field := "messages"
			if path == "/v1/responses" {
				field = "input"
			}
			if path == "/api/chat" && (messages == "null" || messages == "[]") || path == "/v1/responses" && messages == `"text"` {
				continue // which loads the model, and is a message
			}
			for _, stream := range []string{"true", "false"} {
				if status, text := post(t, on, path, `{"`+field+`":`+messages+`,"max_tokens":4,"stream":`+stream+`}`); status != 400 || !strings.Contains(text, field) {
					t.Errorf("%s %s: %d %s", path, messages, status, text)
				}
			}
		}
	}
	long := mustJSON(strings.Repeat(story, 80))
	for path, body := range map[string]string{
		"/v1/chat/completions": `{"messages":[{"role":"user","content":` + long + `}]`, "/v1/completions": `{"prompt":` + long, "/v1/responses": `{"input":` + long,
		"/v1/messages": `{"max_tokens":4,"messages":[{"role":"user","content":` + long + `}]`, "/api/chat": `{"messages":[{"role":"user","content":` + long + `}]`,
	} {
		for _, stream := range []string{"true", "false"} {
			status, text := post(t, on, path, body+`,"stream":`+stream+`}`)
			if status != 400 || !strings.Contains(text, "the context holds 512") || path[1] == 'v' && !strings.Contains(text, "context_length_exceeded") {
				t.Errorf("%s, too long: %d %.300s", path, status, text)
			}
		}
	}
}

// Parts of a content are one text. A chat's answer has the names and counts of the API,
// and n greedy choices are one text.
func TestChatForm(t *testing.T) {
	address := run(t, serve.Options{LLM: llm.Options{Context: 512}})
	const more = `,"max_tokens":8,"temperature":0`
	one := whole(t, "/v1/chat/completions", `{"messages":[{"role":"system","content":"Book"},{"role":"user","content":"What is the best book"}],"n":3`+more+`}`, address)
	parts := whole(t, "/v1/chat/completions", `{"messages":[{"role":"system","content":[{"type":"text","text":"Book"}]},{"role":"user","content":[{"type":"text","text":"What is"},{"type":"text","text":" the best book"}]}]`+more+`}`, address)
	if len(one.Choices) != 3 || !strings.HasPrefix(one.ID, "chatcmpl-") || one.Usage.Completion != 24 || one.Usage.Prompt != 3*parts.Usage.Prompt {
		t.Errorf("%+v", one)
	}
	for i, c := range one.Choices {
		if c.Index != i || c.Message.Role != "assistant" || c.Message.Content != parts.Choices[0].Message.Content {
			t.Errorf("choice %d: %+v, want %q", i, c, parts.Choices[0].Message.Content)
		}
	}
	events := chunks(t, "/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],"stream":true,"stream_options":{"include_usage":true}`+more+`}`, address)
	for i, e := range events {
		if last := i == len(events)-1; last != (e.Usage.Completion == 8) || last != (e.Timings["predicted_n"] == 8) || e.ID != events[0].ID {
			t.Errorf("event %d of %d: %+v", i, len(events), e)
		}
	}
	if events := chunks(t, "/v1/chat/completions", `{"messages":[{"role":"user","content":"Hi"}],"stream":true`+more+`}`, address); len(events[len(events)-1].Choices) != 1 {
		t.Errorf("usage that nobody asked for: %+v", events[len(events)-1])
	}
}

// A limit of the server is below any wish, and a wish of nothing reaches it.
func TestReplyLimit(t *testing.T) {
	address := run(t, serve.Options{LLM: llm.Options{Context: 512}, Limits: serve.Limits{Tokens: 6}})
	for _, wish := range []string{"", `,"max_tokens":2`, `,"max_tokens":100`, `,"max_completion_tokens":100`, `,"max_tokens":0`} {
		want := 6
		if strings.HasSuffix(wish, ":2") {
			want = 2
		}
		if got := whole(t, "/v1/chat/completions", `{"messages":[{"role":"user","content":"Tell me a tale."}],"temperature":0`+wish+`}`, address); got.Usage.Completion != want || got.Choices[0].FinishReason != "length" {
			t.Errorf("%s: %+v", wish, got)
		}
	}
}

// What is not there says so in JSON.
func TestNotThere(t *testing.T) {
	on := start(t, serve.Options{})
	for _, path := range []string{"/completion", "/infill", "/tokenize", "/detokenize", "/apply-template", "/props", "/lora-adapters", "/v1/rerank", "/slots/0?action=save", "/v1/audio/transcriptions", "/api/pull", "/api/delete", "/api/embed"} {
		if status, text := post(t, on, path, "{}"); status != 404 && status != 405 || !json.Valid([]byte(text)) || !strings.Contains(text, "error") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	if status, text := post(t, on, "/v1/embeddings", `{"input":"x"}`); status != 400 || !strings.Contains(text, "no embeddings") {
		t.Errorf("embeddings: %d %s", status, text)
	}
}

// Requests of agents, with all that they send beside the messages, are answered: Codex
// speaks to /v1/responses alone and sends tools of types that are left out, and Claude
// Code to /v1/messages.
func TestAgents(t *testing.T) {
	address := run(t, serve.Options{LLM: llm.Options{Context: 2048}})
	for path, body := range map[string]string{"/v1/responses": codex, "/v1/messages?beta=true": claudeCode} {
		resp, err := http.Post("http://"+address+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		ends := []string{"event: response.completed\n", "event: response.incomplete\n", "event: message_stop\n"}
		ended := slices.ContainsFunc(ends, func(e string) bool { return strings.Contains(string(data), e) })
		if err != nil || resp.StatusCode != 200 || !ended || strings.Contains(string(data), "event: error") {
			t.Errorf("%s: %d %s %v", path, resp.StatusCode, data, err)
		}
	}
}

const codex = `{"model":"demo","instructions":"You are a coding agent.","input":[
	{"type":"message","role":"developer","content":[{"type":"input_text","text":"You may read."}]},
	{"type":"message","role":"user","content":[{"type":"input_text","text":"Which files are there?"}]},
	{"type":"reasoning","summary":[],"content":null,"encrypted_content":"AAAA"},
	{"type":"function_call","name":"shell","arguments":"{\"command\":[\"ls\"]}","call_id":"call_1"},
	{"type":"function_call_output","call_id":"call_1","output":"main.go"}],
	"tools":[{"type":"function","name":"shell","description":"Runs a command.","strict":false,"parameters":{"type":"object","properties":{"command":{"type":"array","items":{"type":"string"}}},"required":["command"],"additionalProperties":false}},
	{"type":"custom","name":"apply_patch","description":"Edits.","format":{"type":"grammar","syntax":"lark","definition":"start: \"x\""}},{"type":"web_search","external_web_access":false},{"type":"local_shell"}],
	"tool_choice":"auto","parallel_tool_calls":false,"reasoning":{"effort":"medium","summary":"auto"},"store":false,"stream":true,"include":["reasoning.encrypted_content"],
	"prompt_cache_key":"0199a","text":{"verbosity":"low"},"max_output_tokens":8}`

const claudeCode = `{"model":"demo","max_tokens":8,"stream":true,"metadata":{"user_id":"user_1"},"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"},"context_management":{"edits":[]},
	"system":[{"type":"text","text":"x-anthropic-billing-header: cch=1;"},{"type":"text","text":"You are a coding agent.","cache_control":{"type":"ephemeral"}}],
	"tools":[{"name":"Bash","description":"Runs a command.","input_schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"command":{"type":"string"}},"required":["command"],"additionalProperties":false},"eager_input_streaming":true}],
	"messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>Today is Tuesday.</system-reminder>"},{"type":"text","text":"Which files are there?"}]},
	{"role":"assistant","content":[{"type":"thinking","thinking":"I look.","signature":""},{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls"}}]},
	{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"main.go","is_error":false,"cache_control":{"type":"ephemeral"}}]}]}`
