package serve_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// bodies are requests as clients write them, by endpoint.
var bodies = []struct {
	path string
	body []string
}{
	{"/v1/chat/completions", []string{
		`{"messages":[{"content":"Tell me a tale.","role":"user"}],"model":"demo","max_completion_tokens":2,"temperature":0,"logprobs":true,"top_logprobs":2,"stream_options":{"include_usage":true},"stream":true}`,
		`{"model":"demo","messages":[{"role":"developer","content":[{"type":"text","text":"Be brief."}]},{"role":"user","content":"Hi"}],"temperature":1,"n":2,"seed":-3,"stop":["was"],"logit_bias":{"24":-100},"presence_penalty":0.5,"user":"me"}`,
		`{"messages":[{"role":"user","content":"Hi","type":"text"}],"max_tokens":2,"top_p":0.9,"min_p":0.1,"top_k":4,"stop":"a","response_format":{"type":"text"}}`,
		`{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"find","arguments":"{\"x\":1}"}}]},{"role":"tool","tool_call_id":"call_1","content":"7"}],
			"tools":[{"type":"function","function":{"name":"find","description":"Finds.","parameters":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}}],"tool_choice":"auto","parallel_tool_calls":false}`,
		`{"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Well"}],"continue_final_message":true,"timings_per_token":true,"stream":true}`,
	}},
	{"/v1/completions", []string{
		`{"model":"demo","prompt":[[5,40,100],[7]],"temperature":0,"max_tokens":1,"logprobs":1,"seed":1234,"echo":true}`,
		`{"prompt":["Once","The"],"max_tokens":2,"stream":true,"stop":[],"n":2}`,
		`{"prompt":"Once","max_tokens":0,"echo":true,"logprobs":0,"best_of":1,"suffix":null,"frequency_penalty":1}`,
		`{"prompt":[5,40,100],"repeat_penalty":1.1}`,
	}},
	{"/v1/responses", []string{
		codex,
		`{"model":"demo","input":"Hi","instructions":"Be brief.","temperature":0,"max_output_tokens":2,"stream":true,"store":true,"previous_response_id":null}`,
		`{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hi"}]},{"type":"reasoning","summary":[]},{"type":"function_call","call_id":"c1","name":"find","arguments":"{}"},
			{"type":"function_call_output","call_id":"c1","output":"7"}],"tools":[{"type":"function","name":"find","parameters":{"type":"object"}},{"type":"web_search"}],"tool_choice":"none","text":{"format":{"type":"text"}},"include":["reasoning.encrypted_content"]}`,
	}},
	{"/v1/messages", []string{
		claudeCode,
		`{"max_tokens":2,"messages":[{"content":[{"text":"Hi","type":"text","cache_control":{"type":"ephemeral"}}],"role":"user"}],"model":"demo","temperature":0,"stream":true,"system":[{"type":"text","text":"x-anthropic-billing-header: 1"}],"metadata":{"user_id":"u"}}`,
		`{"model":"demo","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"find","input":{"x":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"7"}]}]}],
			"max_tokens":2,"stop_sequences":["was"],"thinking":{"type":"disabled"},"tools":[{"name":"find","input_schema":{"type":"object"}}],"tool_choice":{"type":"auto"}}`,
	}},
	{"/v1/messages/count_tokens", []string{
		`{"messages":[{"content":[{"text":"Hi","type":"text"}],"role":"user"}],"model":"demo","system":"Be brief."}`,
	}},
	{"/api/chat", []string{
		`{"model":"demo:latest","messages":[{"role":"user","content":"Hi","images":null}],"options":{"temperature":0,"num_predict":2,"num_ctx":4096,"stop":["a"]},"keep_alive":"5m","stream":false,"think":false,"format":""}`,
		`{"model":"demo","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"find","arguments":{"x":1}}}]},{"role":"tool","tool_name":"find","content":"7"}],"tools":[{"type":"function","function":{"name":"find","parameters":{"type":"object"}}}],"options":null}`,
		`{"model":"demo","messages":[]}`,
	}},
	{"/api/generate", []string{
		`{"model":"demo","prompt":"Hi","suffix":"","system":"Be brief.","template":"","options":{"num_predict":2,"temperature":2,"seed":1,"repeat_penalty":1.1},"context":[]}`,
		`{"model":"demo","prompt":"Once","raw":true,"stream":false}`,
		`{"model":"demo","prompt":""}`,
	}},
	{"/v1/mil/conversations", []string{
		`{"title":"A tale","model":"demo","current":"b","settings":{"temperature":0},"messages":{"a":{"parent":null,"role":"user","content":"Hello"},"b":{"parent":"a","role":"assistant","content":"Hi","more":["else"]}}}`,
	}},
	{"/api/show", []string{`{"model":"demo:latest","system":"","template":"","verbose":false,"options":null,"name":""}`, `{"name":"demo"}`}},
}

// little serves a model of a few kilobytes, under the demo's name, for replies of two tokens.
func little(f *testing.F) http.Handler {
	data, err := os.ReadFile(testutil.Data("written", "mambainllama-1.gguf"))
	if err != nil {
		f.Fatal(err)
	}
	file := filepath.Join(f.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		f.Fatal(err)
	}
	s, err := serve.New(serve.Options{Models: []string{file}, LLM: llm.Options{Backend: "cpu", Threads: 1, Context: 512}, Memory: 1 << 28, Limits: serve.Limits{Tokens: 2, Body: 64 << 10}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.Error(err)
		}
	})
	return s
}

// answered holds the answer to any body to what clients of the endpoint can read: a
// reply, or an error of that API that is the client's own, of one line.
func answered(t *testing.T, on http.Handler, path, body string) {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Host = "localhost"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	on.ServeHTTP(w, r)
	kind, text := w.Header().Get("Content-Type"), w.Body.String()
	wrong := func(why string) { t.Errorf("%s: %s %s: %d %s", why, path, body, w.Code, text) }
	switch {
	case (w.Code == http.StatusOK || w.Code == http.StatusCreated) && kind == "application/json":
		if !json.Valid([]byte(text)) {
			wrong("no JSON")
		}
	case w.Code == http.StatusOK && (kind == "text/event-stream" || kind == "application/x-ndjson"):
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			data, ok := strings.CutPrefix(line, "data: ")
			if !ok && kind == "text/event-stream" || data == "[DONE]" {
				continue
			}
			var v map[string]any
			d := json.NewDecoder(strings.NewReader(data))
			d.UseNumber() // numbers of the request may be told again, as large as they are
			if !json.Valid([]byte(data)) || d.Decode(&v) != nil || v["error"] != nil || v["type"] == "error" {
				wrong("a line " + line)
			}
		}
	case (w.Code >= 400 && w.Code < 500 || w.Code == http.StatusInsufficientStorage && path == "/v1/mil/conversations") && kind == "application/json":
		if message, ok := message(path, text); !ok || message == "" || len(message) > 1000 || !utf8.ValidString(message) || strings.ContainsFunc(message, unicode.IsControl) {
			wrong("no error of one line")
		}
	default:
		wrong("no answer of an API")
	}
}

// message is an error's, in the form of the endpoint's API.
func message(path, text string) (string, bool) {
	d := json.NewDecoder(strings.NewReader(text))
	if strings.HasPrefix(path, "/api/") {
		var e struct{ Error string }
		err := d.Decode(&e)
		return e.Error, err == nil && !more(d)
	}
	var e struct {
		Type  string
		Error struct {
			Message, Type, Code string
			Param               *string
		}
	}
	err := d.Decode(&e)
	if p := e.Error.Param; p != nil && strings.ContainsFunc(*p, unicode.IsControl) {
		return "", false
	}
	return e.Error.Message, err == nil && e.Type == "error" && e.Error.Type != "" && e.Error.Code != "" && !more(d)
}

func more(d *json.Decoder) bool { _, err := d.Token(); return err != io.EOF }

// Any bytes are answered.
func FuzzBodies(f *testing.F) {
	on := little(f)
	for i, one := range bodies {
		for _, body := range one.body {
			f.Add(uint8(i), body)
		}
		for _, body := range []string{"", "null", "[]", "{", "{}", `{"model":"\u0000\n"}`, `{"a\f\u0019":1}`, `{"messages":[{"role":"\r\u009b","content":"x"}],"model":"demo"}`, `{"a":` + strings.Repeat("[", 20000), "{\"a\":\"\xff\"}"} {
			f.Add(uint8(i), body)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		answered(t, on, bodies[int(which)%len(bodies)].path, body)
	})
}

// Any value in the place of each value of a client's request is answered, and so is any
// further field in each of its objects.
func FuzzFields(f *testing.F) {
	on := little(f)
	for i, one := range bodies {
		for j, body := range one.body {
			for at := range places(decoded(f, body)) {
				values := []string{`-1`, `1e999`, `"\n\u0000"`, `[]`, `{}`, `[[1,"x",null]]`, `{"type":"x"}`, `true`}
				f.Add(uint8(i), uint8(j), uint8(at), "", values[(i+j+at)%len(values)])
			}
			f.Add(uint8(i), uint8(j), uint8(0), "tools", `[{"type":"function"}]`)
		}
	}
	f.Fuzz(func(t *testing.T, which, body, at uint8, name, value string) {
		one := bodies[int(which)%len(bodies)]
		v := decoded(t, one.body[int(body)%len(one.body)])
		var to any = value // as a text
		d := json.NewDecoder(strings.NewReader(value))
		d.UseNumber()
		if json.Valid([]byte(value)) && d.Decode(&to) != nil {
			t.Fatal(value)
		}
		n := int(at) % places(v)
		changed(v, &n, name, to, func(x any) { v = x })
		data, err := json.Marshal(v)
		if err != nil {
			t.Skip(err) // numbers that JSON has and Go cannot write
		}
		answered(t, on, one.path, string(data))
	})
}

func decoded(t testing.TB, body string) (v any) {
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(body, err)
	}
	return v
}

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// places counts the values in a value, itself among them.
func places(v any) int {
	n := 1
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			n += places(x)
		}
	case []any:
		for _, x := range v {
			n += places(x)
		}
	}
	return n
}

// changed puts another value in the n-th place, or gives the object there a field.
func changed(v any, n *int, name string, to any, put func(any)) {
	if *n == 0 {
		if m, ok := v.(map[string]any); ok && name != "" {
			m[name] = to
		} else {
			put(to)
		}
	}
	*n--
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sorted(v) {
			changed(v[k], n, name, to, func(x any) { v[k] = x })
		}
	case []any:
		for i := range v {
			changed(v[i], n, name, to, func(x any) { v[i] = x })
		}
	}
}
