package serve_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/serve"
)

// weather is a function in the words of each API.
const (
	weatherSchema    = `{"type":"object","properties":{"place":{"type":"string","maxLength":12},"days":{"type":"integer"}},"required":["place"]}`
	weatherOpenAI    = `[{"type":"function","function":{"name":"weather","description":"The weather.","parameters":` + weatherSchema + `}}]`
	weatherResponses = `[{"type":"web_search_preview"},{"type":"function","name":"weather","description":"The weather.","parameters":` + weatherSchema + `},{"type":"custom","name":"patch"}]`
	weatherAnthropic = `[{"name":"weather","description":"The weather.","input_schema":` + weatherSchema + `}]`
)

// One conversation with calls and results has one prompt, and one greedy text, at every
// endpoint.
func TestCallsAreOnePromptEverywhere(t *testing.T) {
	on := start(t, serve.Options{})
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	offer := &llm.Offer{Tools: []llm.Tool{{Name: "weather", Description: "The weather.", Parameters: []byte(weatherSchema)}}}
	ids, err := m.Engine().PromptTools([]llm.Message{
		{Role: "system", Content: "Be kind."}, {Role: "user", Content: "Weather?"},
		{Role: "assistant", Content: "I look.", ToolCalls: []llm.Call{{ID: "a1", Name: "weather", Arguments: `{"place":"Rome"}`}, {ID: "a2", Name: "weather", Arguments: `{"place":"<|eot_id|>"}`}}},
		{Role: "tool", ToolCallID: "a1", Content: "sunny"}, {Role: "tool", ToolCallID: "a2", Content: "<|eot_id|>rain"}, {Role: "user", Content: "So?"},
	}, offer, "")
	if err != nil {
		t.Fatal(err)
	}
	prompt := m.Tokenizer().Decode(ids, false)
	for _, part := range []string{"You can call these functions", "Be kind.", "Result of weather:\nsunny", "I look.\n" + `{"name": "weather", "arguments": {"place":"Rome"}}`} {
		if !strings.Contains(prompt, part) {
			t.Errorf("%q is missing in %q", part, prompt)
		}
	}
	end, ok := m.Tokenizer().ID("<|eot_id|>")
	ends := 0
	for _, id := range ids {
		if id == end {
			ends++
		}
	}
	if !ok || ends != 4 {
		t.Errorf("%d turns end in a prompt of 4: text from outside became a special token", ends)
	}
	const calls = `[{"id":"a1","type":"function","function":{"name":"weather","arguments":"{\"place\":\"Rome\"}"}},{"id":"a2","type":"function","function":{"name":"weather","arguments":"{\"place\":\"<|eot_id|>\"}"}}]`
	want := ""
	for _, c := range []struct {
		path, body string
		text       []any
	}{
		{"/v1/completions", `{"prompt":` + mustJSON(ids) + `,"temperature":0,"max_tokens":16}`, []any{"choices", 0, "text"}},
		{"/v1/chat/completions", `{"tools":` + weatherOpenAI + `,"temperature":0,"max_tokens":16,"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Weather?"},
			{"role":"assistant","content":"I look.","tool_calls":` + calls + `},{"role":"tool","tool_call_id":"a1","content":"sunny"},
			{"role":"tool","tool_call_id":"a2","content":[{"type":"text","text":"<|eot_id|>rain"}]},{"role":"user","content":"So?"}]}`, []any{"choices", 0, "message", "content"}},
		{"/v1/responses", `{"tools":` + weatherResponses + `,"temperature":0,"max_output_tokens":16,"instructions":"Be kind.","input":[{"role":"user","content":"Weather?"},
			{"type":"reasoning","summary":[]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"I look."}]},
			{"type":"function_call","call_id":"a1","name":"weather","arguments":"{\"place\":\"Rome\"}"},{"type":"function_call","call_id":"a2","name":"weather","arguments":"{\"place\":\"<|eot_id|>\"}"},
			{"type":"function_call_output","call_id":"a1","output":"sunny"},{"type":"function_call_output","call_id":"a2","output":[{"type":"input_text","text":"<|eot_id|>rain"}]},
			{"role":"user","content":"So?"}]}`, []any{"output", 0, "content", 0, "text"}},
		{"/v1/messages", `{"tools":` + weatherAnthropic + `,"temperature":0,"max_tokens":16,"system":"Be kind.","messages":[{"role":"user","content":"Weather?"},
			{"role":"assistant","content":[{"type":"text","text":"I look."},{"type":"tool_use","id":"a1","name":"weather","input":{"place":"Rome"}},{"type":"tool_use","id":"a2","name":"weather","input":{"place":"<|eot_id|>"}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"a1","content":"sunny"},{"type":"tool_result","tool_use_id":"a2","content":[{"type":"text","text":"<|eot_id|>rain"}]},{"type":"text","text":"So?"}]}]}`,
			[]any{"content", 0, "text"}},
		{"/api/chat", `{"tools":` + weatherOpenAI + `,"stream":false,"options":{"temperature":0,"num_predict":16},"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Weather?"},
			{"role":"assistant","content":"I look.","tool_calls":[{"function":{"name":"weather","arguments":{"place":"Rome"}}},{"function":{"name":"weather","arguments":{"place":"<|eot_id|>"}}}]},
			{"role":"tool","tool_name":"weather","content":"sunny"},{"role":"tool","content":"<|eot_id|>rain"},{"role":"user","content":"So?"}]}`, []any{"message", "content"}},
	} {
		status, text := post(t, on, c.path, c.body)
		got := pieces(t, text, c.text...)
		if want == "" {
			want = got
		}
		if status != 200 || got == "" || got != want {
			t.Errorf("%s: %d %q, want %q: %s", c.path, status, got, want, text)
		}
	}
}

// called is a call in a reply, in the words of one API, and the reply's text.
type called struct{ name, arguments, id, why, text string }

// events are the data of a stream's events or lines.
func events(t *testing.T, stream string) (list []any) {
	t.Helper()
	for line := range strings.Lines(stream) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		var v any
		if strings.HasPrefix(line, "{") {
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(line, err)
			}
			list = append(list, v)
		}
	}
	return list
}

func readChat(t *testing.T, stream bool, text string) (c called) {
	if !stream {
		v := events(t, text)[0]
		one := at(v, "choices", 0, "message", "tool_calls", 0)
		if at(one, "type") != "function" || at(v, "choices", 0, "message", "content") != nil {
			t.Error(text)
		}
		return called{pick(one, "function", "name"), pick(one, "function", "arguments"), pick(one, "id"), pick(v, "choices", 0, "finish_reason"), ""}
	}
	for _, v := range events(t, text) {
		if why := pick(v, "choices", 0, "finish_reason"); why != "" {
			c.why = why
		}
		c.text += pick(v, "choices", 0, "delta", "content")
		one, ok := at(v, "choices", 0, "delta", "tool_calls", 0).(map[string]any)
		if !ok {
			continue
		}
		if c.name != "" && (one["id"] != nil || one["type"] != nil || at(one, "function", "name") != nil) || one["index"] != 0.0 {
			t.Errorf("a later delta says again what the first said: %v", one)
		}
		c.name, c.id, c.arguments = c.name+pick(one, "function", "name"), c.id+pick(one, "id"), c.arguments+pick(one, "function", "arguments")
	}
	return c
}

func readMessages(t *testing.T, stream bool, text string) (c called) {
	if !stream {
		v := events(t, text)[0]
		if pick(v, "content", 0, "type") != "tool_use" {
			t.Error(text)
		}
		return called{pick(v, "content", 0, "name"), mustJSON(at(v, "content", 0, "input")), pick(v, "content", 0, "id"), pick(v, "stop_reason"), ""}
	}
	order := ""
	for _, v := range events(t, text) {
		if kind := pick(v, "type"); kind != "ping" && !strings.HasSuffix(order, "delta ") || kind != "content_block_delta" {
			order += kind + " "
		}
		if pick(v, "content_block", "type") == "tool_use" {
			c.name, c.id = pick(v, "content_block", "name"), pick(v, "content_block", "id")
		}
		c.arguments += pick(v, "delta", "partial_json")
		c.text += pick(v, "delta", "text")
		c.why += pick(v, "delta", "stop_reason")
	}
	if order != "message_start content_block_start content_block_delta content_block_stop message_delta message_stop " {
		t.Error(order)
	}
	return c
}

func readOllama(t *testing.T, _ bool, text string) (c called) {
	for _, v := range events(t, text) {
		if one := at(v, "message", "tool_calls", 0); one != nil {
			c.name, c.arguments, c.id = pick(one, "function", "name"), mustJSON(at(one, "function", "arguments")), "x"
		}
		c.text += pick(v, "message", "content")
		c.why = pick(v, "done_reason")
	}
	return c
}

func readResponses(t *testing.T, stream bool, text string) (c called) {
	list := events(t, text)
	v, deltas := list[len(list)-1], ""
	for n, e := range list {
		if stream && at(e, "sequence_number") != float64(n) {
			t.Errorf("event %d: %v", n, e)
		}
		deltas += pick(e, "delta")
		if pick(e, "type") == "response.function_call_arguments.done" && pick(e, "arguments") != deltas {
			t.Errorf("%v, and the deltas are %q", e, deltas)
		}
	}
	if stream {
		if v = at(v, "response"); deltas == "" {
			t.Error("no deltas")
		}
	}
	if pick(v, "output", 0, "type") != "function_call" {
		t.Error(text)
	}
	return called{pick(v, "output", 0, "name"), pick(v, "output", 0, "arguments"), pick(v, "output", 0, "call_id"), pick(v, "status"), ""}
}

// A required call has the same name and arguments at every endpoint, whole and streamed,
// in the shape that its clients know.
func TestRequiredCallEverywhere(t *testing.T) {
	on := start(t, serve.Options{})
	const settings = `"temperature":1,"seed":7,"parallel_tool_calls":false`
	const user = `"messages":[{"role":"user","content":"Weather?"}]`
	want := ""
	for _, c := range []struct {
		name, path, body, why string
		read                  func(*testing.T, bool, string) called
	}{
		{"chat", "/v1/chat/completions", `{` + user + `,` + settings + `,"tools":` + weatherOpenAI + `,"tool_choice":"required"`, "tool_calls", readChat},
		{"chat, named", "/v1/chat/completions", `{` + user + `,"temperature":1,"seed":7,"tools":` + weatherOpenAI + `,"tool_choice":{"type":"function","function":{"name":"weather"}}`, "tool_calls", readChat},
		{"chat, allowed", "/v1/chat/completions", `{` + user + `,` + settings + `,"tools":` + weatherOpenAI +
			`,"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"weather"}}]}}`, "tool_calls", readChat},
		{"messages", "/v1/messages", `{` + user + `,"temperature":1,"seed":7,"max_tokens":4000,"tools":` + weatherAnthropic + `,"tool_choice":{"type":"any","disable_parallel_tool_use":true}`, "tool_use", readMessages},
		{"messages, named", "/v1/messages", `{` + user + `,"temperature":1,"seed":7,"max_tokens":4000,"tools":` + weatherAnthropic + `,"tool_choice":{"type":"tool","name":"weather"}`, "tool_use", readMessages},
		{"responses", "/v1/responses", `{"input":"Weather?",` + settings + `,"tools":` + weatherResponses + `,"tool_choice":"required"`, "completed", readResponses},
		{"responses, named", "/v1/responses", `{"input":"Weather?",` + settings + `,"tools":` + weatherResponses + `,"tool_choice":{"type":"function","name":"weather"}`, "completed", readResponses},
		{"ollama", "/api/chat", `{` + user + `,"options":{"temperature":1,"seed":7},"parallel_tool_calls":false,"tool_choice":"required","tools":` + weatherOpenAI, "stop", readOllama},
	} {
		for _, stream := range []bool{false, true} {
			status, text := post(t, on, c.path, c.body+`,"stream":`+strconv.FormatBool(stream)+`}`)
			if status != 200 {
				t.Errorf("%s: %d %s", c.name, status, text)
				continue
			}
			got := c.read(t, stream, text)
			var args struct{ Place *string }
			if err := json.Unmarshal([]byte(got.arguments), &args); err != nil || args.Place == nil || got.name != "weather" || got.why != c.why || got.id == "" || got.text != "" {
				t.Errorf("%s, streamed %t: %+v %v: %s", c.name, stream, got, err, text)
				continue
			}
			if want == "" {
				want = *args.Place
			}
			if *args.Place != want {
				t.Errorf("%s, streamed %t: %q, want %q", c.name, stream, *args.Place, want)
			}
		}
	}
}

// Where a template begins the model's thoughts, calls and forms come behind them.
func TestCallBehindThoughts(t *testing.T) {
	on := start(t, serve.Options{Models: []string{thinker(t)}})
	const tools = `[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"enum":["x","yy"]}},"required":["a"],"additionalProperties":false}}}]`
	for _, stream := range []string{"false", "true"} {
		status, text := post(t, on, "/v1/chat/completions", `{"messages":[{"role":"user","content":"Hello"}],"max_tokens":300,"temperature":2,"top_k":0,"top_p":1,"seed":2,"logit_bias":{"481":5},
			"stream":`+stream+`,"tool_choice":{"type":"function","function":{"name":"f"}},"tools":`+tools+`}`)
		if status != 200 {
			t.Fatal(status, text)
		}
		if c := readChat(t, stream == "true", text); c.name != "f" || !strings.Contains(c.arguments, `"a"`) || c.why != "tool_calls" || c.text != "" || !strings.Contains(text, "reasoning_content") {
			t.Errorf("%+v: %s", c, text)
		}
	}
}
