package serve_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// pick is the text at a path of keys and indices in JSON, "" where there is none.
func pick(v any, path ...any) string {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return ""
			}
			v = l[p]
		}
	}
	text, _ := v.(string)
	return text
}

// pieces joins the texts at a path of all lines of a stream.
func pieces(t *testing.T, stream string, path ...any) (out string) {
	t.Helper()
	for line := range strings.Lines(stream) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		var v any
		if strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(line, err)
			}
			out += pick(v, path...)
		}
	}
	return out
}

// One greedy prompt has one text at every endpoint, whole and streamed.
func TestOneTextEverywhere(t *testing.T) {
	on := start(t, serve.Options{LLM: llm.Options{Draft: "lookup"}})
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ids, err := m.Engine().Prompt(llm.User("Tell me a tale about a fox."))
	if err != nil {
		t.Fatal(err)
	}
	want := ask(t, on, "/v1/chat/completions", tale+"}").Choices[0].Message.Content
	const messages = `"messages":[{"role":"user","content":"Tell me a tale about a fox."}]`
	const options = `"options":{"temperature":0,"num_predict":24}`
	for name, c := range map[string]struct {
		path, body      string
		whole, streamed []any
	}{
		"chat completions": {"/v1/chat/completions", `{` + messages + `,"temperature":0,"max_completion_tokens":24`, []any{"choices", 0, "message", "content"}, []any{"choices", 0, "delta", "content"}},
		"completions":      {"/v1/completions", `{"prompt":` + mustJSON(ids) + `,"temperature":0,"max_tokens":24`, []any{"choices", 0, "text"}, []any{"choices", 0, "text"}},
		"responses":        {"/v1/responses", `{"input":"Tell me a tale about a fox.","temperature":0,"max_output_tokens":24`, []any{"output", 0, "content", 0, "text"}, []any{"delta"}},
		"response items": {"/v1/responses", `{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Tell me a tale about a fox."}]}],"temperature":0,"max_output_tokens":24`,
			[]any{"output", 0, "content", 0, "text"}, []any{"delta"}},
		"messages": {"/v1/messages", `{` + messages + `,"temperature":0,"max_tokens":24`, []any{"content", 0, "text"}, []any{"delta", "text"}},
		"with billing": {"/v1/messages", `{"system":[{"type":"text","text":"x-anthropic-billing-header: cch=1;"}],` + messages + `,"temperature":0,"max_tokens":24`,
			[]any{"content", 0, "text"}, []any{"delta", "text"}},
		"ollama chat":     {"/api/chat", `{"model":"demo:latest",` + messages + `,` + options, []any{"message", "content"}, []any{"message", "content"}},
		"ollama generate": {"/api/generate", `{"prompt":"Tell me a tale about a fox.",` + options, []any{"response"}, []any{"response"}},
	} {
		for stream, path := range map[string][]any{"false": c.whole, "true": c.streamed} {
			status, text := post(t, on, c.path, c.body+`,"stream":`+stream+`}`)
			if got := pieces(t, text, path...); status != 200 || got != want {
				t.Errorf("%s, stream %s: %d %q, want %q: %s", name, stream, status, got, want, text)
			}
		}
	}
}

// What cannot be followed is refused with its name, in the API's own form.
func TestApisRefuse(t *testing.T) {
	on := start(t, serve.Options{})
	const user = `"messages":[{"role":"user","content":"Hello"}],"max_tokens":4`
	for _, c := range []struct {
		path, body, part string
		status           int
	}{
		{"/v1/messages", `{` + user + `,"tools":[{"name":"x y"}]}`, `"param":"tools[0].name"`, 400},
		{"/v1/messages", `{` + user + `,"tools":[{"type":"web_search_20250305","name":"web_search"}]}`, `"param":"tools[0].type"`, 400},
		{"/v1/messages", `{` + user + `,"tools":[{"name":"x","input_schema":[]}]}`, `"param":"tools[0].parameters"`, 400},
		{"/v1/messages", `{"max_tokens":4,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x"}]}]}`, `"param":"messages[0].content[0]"`, 400},
		{"/v1/messages", `{"max_tokens":4,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":7}]}]}`, `"param":"messages[0].content[0].input"`, 400},
		{"/v1/messages", `{"max_tokens":4,"messages":[{"role":"user","content":[{"type":"image"}]}]}`, `"param":"messages[0].content[0].type"`, 400},
		{"/v1/chat/completions", `{` + user + `,"tools":[{"type":"retrieval"}]}`, `"param":"tools[0].type"`, 400},
		{"/v1/chat/completions", `{` + user + `,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]}`, `"param":"tools[1].name"`, 400},
		{"/v1/chat/completions", `{` + user + `,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}}`, `"param":"tool_choice"`, 400},
		{"/v1/chat/completions", `{` + user + `,"tool_choice":"required"}`, `"param":"tool_choice"`, 400},
		{"/v1/chat/completions", `{` + user + `,"tool_choice":"maybe"}`, `"param":"tool_choice"`, 400},
		{"/v1/chat/completions", `{` + user + `,"tools":[{"type":"function","function":{"name":"f"}}],"parallel_tool_calls":1}`, `"param":"parallel_tool_calls"`, 400},
		{"/v1/chat/completions", `{"messages":[{"role":"tool","tool_call_id":"a","content":"x"}]}`, `"param":"messages[0]"`, 400},
		{"/v1/chat/completions", `{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{"}}]}]}`, `"param":"messages[0].tool_calls[0].function.arguments"`, 400},
		{"/v1/chat/completions", `{"messages":[{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"\"","arguments":"{}"}}]}]}`, `"param":"messages[0].tool_calls[0].function.name"`, 400},
		{"/v1/messages", `{` + user + `,"system":7}`, "system", 400},
		{"/v1/messages", `{` + user + `,"model":"gone"}`, "gone", 404},
		{"/v1/messages", `{"messages":[{"role":"assistant","content":"Hel"}]}`, "messages", 400},
		{"/v1/responses", `{"input":"Hello","tools":[{"type":"function"}]}`, `"param":"tools[0].name"`, 400},
		{"/v1/responses", `{"input":"Hello","previous_response_id":"resp-1"}`, "previous_response_id", 404},
		{"/v1/responses", `{"input":[{"type":"function_call_output"}]}`, `"param":"input[0].call_id"`, 400},
		{"/v1/responses", `{"input":[{"type":"function_call","call_id":"a","name":"f","arguments":"["}]}`, `"param":"input[0].arguments"`, 400},
		{"/v1/responses", `{"input":[{"type":"computer_call"}]}`, `"param":"input[0].type"`, 400},
		{"/v1/responses", `{"input":"Hello","text":{"format":{"type":"json_schema","schema":{"type":"odd"}}}}`, `"param":"text.format.schema"`, 400},
		{"/v1/responses", `{}`, "input", 400},
		{"/api/chat", `{` + user + `,"tools":[{"type":"function"}]}`, `{"error":"tools[0].name`, 400},
		{"/api/chat", `{` + user + `,"format":"yaml"}`, `{"error":"format`, 400},
		{"/api/chat", `{"messages":[{"role":"user","content":"x","images":["AA=="]}]}`, "images", 400},
		{"/api/generate", `{"prompt":"x","options":{"temperature":"hot"}}`, "temperature", 400},
		{"/api/show", `{"model":"gone"}`, `{"error":"there is no model`, 404},
	} {
		if status, text := post(t, on, c.path, c.body); status != c.status || !strings.Contains(text, c.part) {
			t.Errorf("%s %s: %d %s", c.path, c.body, status, text)
		}
	}
}

// Counts, the reasons of ends and events' order are as clients of /v1/messages know them.
func TestMessages(t *testing.T) {
	on := start(t, serve.Options{})
	long := strings.Repeat("The fox ran over the hill and met a mole. ", 40)
	body := func(header string) string {
		return `{"system":[{"type":"text","text":"x-anthropic-billing-header: cch=` + header + `;"},{"type":"text","text":` + mustJSON(long) + `}],
			"messages":[{"role":"user","content":[{"type":"text","text":"Tell me a tale."}]}],"temperature":0,"max_tokens":20`
	}
	type answer struct {
		StopReason   string `json:"stop_reason"`
		StopSequence string `json:"stop_sequence"`
		Content      []struct{ Text string }
		Usage        struct {
			In     int `json:"input_tokens"`
			Cached int `json:"cache_read_input_tokens"`
			Out    int `json:"output_tokens"`
		}
	}
	get := func(path, body string) (a answer) {
		status, text := post(t, on, path, body)
		if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 {
			t.Fatal(status, text, err)
		}
		return a
	}
	var counted struct {
		N int `json:"input_tokens"`
	}
	_, text := post(t, on, "/v1/messages/count_tokens", body("1")+"}")
	if err := json.Unmarshal([]byte(text), &counted); err != nil {
		t.Fatal(text, err)
	}
	first, second := get("/v1/messages", body("1")+"}"), get("/v1/messages", body("2")+"}")
	if first.Usage.In != counted.N || first.Usage.Cached != 0 || first.Usage.Out != 20 || first.StopReason != "max_tokens" {
		t.Errorf("%d tokens were counted: %+v", counted.N, first)
	}
	if second.Usage.Cached < counted.N-64 || second.Usage.Cached+second.Usage.In != counted.N || second.Content[0].Text != first.Content[0].Text {
		t.Errorf("a header that changed spoils the prefix: %+v", second)
	}
	word := strings.Fields(first.Content[0].Text)[3]
	if a := get("/v1/messages", body("1")+`,"stop_sequences":[`+mustJSON(word)+`]}`); a.StopReason != "stop_sequence" || a.StopSequence != word {
		t.Errorf("stop sequence %q: %+v", word, a)
	}
	_, stream := post(t, on, "/v1/messages", body("1")+`,"stream":true}`)
	var order []string
	for line := range strings.Lines(stream) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "event: "); ok && (len(order) == 0 || order[len(order)-1] != name) {
			order = append(order, name)
		}
	}
	if got := strings.Join(order, " "); got != "message_start content_block_start content_block_delta content_block_stop message_delta message_stop" {
		t.Errorf("events are %s", got)
	}
}

// Clients of ollama find the models and their versions.
func TestOllamaLists(t *testing.T) {
	on := start(t, serve.Options{})
	if status, text := post(t, on, "/api/show", `{"model":"demo"}`); status != 200 || !strings.Contains(text, `"general.architecture"`) {
		t.Errorf("%d %s", status, text)
	}
	for path, part := range map[string]string{"/api/version": `"version":"`, "/api/tags": `"name":"demo"`, "/api/ps": `"name":"demo"`} {
		resp, err := http.Get(on.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := resp.Write(&b); err != nil || resp.StatusCode != 200 || !strings.Contains(b.String(), part) {
			t.Errorf("%s: %v %s", path, err, b.String())
		}
		resp.Body.Close()
	}
}
