package serve_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mil-run/mil/serve"
)

// TestFormats asks every API for JSON that follows a schema, whole and streamed.
func TestFormats(t *testing.T) {
	on := start(t, serve.Options{})
	schema := `{"type":"object","properties":{"ok":{"type":"boolean"},"planet":{"enum":["Mars","Venus"]}},"required":["ok","planet"],"additionalProperties":false}`
	named := `"name":"answer","strict":true,"schema":` + schema
	user := `"messages":[{"role":"user","content":"Mars or Venus?"}],"temperature":1,"seed":4`
	for _, c := range []struct {
		path, body string
		whole      []any // path to the text
		part       []any // in lines of a stream
	}{
		{"/v1/chat/completions", user + `,"response_format":{"type":"json_schema","json_schema":{` + named + `}}`, []any{"choices", 0, "message", "content"}, []any{"choices", 0, "delta", "content"}},
		{"/v1/chat/completions", user + `,"json_schema":` + schema, []any{"choices", 0, "message", "content"}, []any{"choices", 0, "delta", "content"}},
		{"/v1/completions", `"prompt":"Mars","json_schema":` + schema, []any{"choices", 0, "text"}, []any{"choices", 0, "text"}},
		{"/v1/responses", `"input":"Mars or Venus?","text":{"format":{"type":"json_schema",` + named + `}}`, []any{"output", 0, "content", 0, "text"}, []any{"delta"}},
		{"/api/chat", user + `,"format":` + schema, []any{"message", "content"}, []any{"message", "content"}},
		{"/api/generate", `"prompt":"Mars or Venus?","format":` + schema, []any{"response"}, []any{"response"}},
	} {
		for _, stream := range []bool{false, true} {
			status, answer := post(t, on, c.path, fmt.Sprintf(`{%s,"stream":%v}`, c.body, stream))
			text := ""
			if stream {
				text = pieces(t, answer, c.part...)
			} else {
				var v any
				if err := json.Unmarshal([]byte(answer), &v); err != nil {
					t.Fatal(err)
				}
				text = pick(v, c.whole...)
			}
			var v struct {
				OK     *bool
				Planet string
			}
			if status != 200 || json.Unmarshal([]byte(text), &v) != nil || v.OK == nil || v.Planet != "Mars" && v.Planet != "Venus" {
				t.Errorf("%s, stream %v: %d %q of %.300s", c.path, stream, status, text, answer)
			}
		}
	}
	status, answer := post(t, on, "/v1/chat/completions", `{`+user+`,"grammar":"root ::= \"yes\" | \"no\""}`)
	if status != 200 || !strings.Contains(answer, `"content":"yes"`) && !strings.Contains(answer, `"content":"no"`) {
		t.Errorf("grammar: %d %s", status, answer)
	}
	status, answer = post(t, on, "/v1/chat/completions", `{`+user+`,"max_tokens":60,"response_format":{"type":"json_object"}}`)
	var v any
	json.Unmarshal([]byte(answer), &v)
	if text := pick(v, "choices", 0, "message", "content"); status != 200 || !strings.HasPrefix(text, "{") {
		t.Errorf("json_object: %d %s", status, answer)
	}
	for body, part := range map[string]string{
		`"response_format":{"type":"json_schema"}`:                                       `"param":"response_format.schema"`,
		`"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"x"}}}`: `"param":"response_format.json_schema.schema"`,
		`"response_format":{"type":"yaml"}`:                                              `"param":"response_format.type"`,
		`"response_format":7`:                                                            `"param":"response_format"`,
		`"grammar":"root ::= "`:                                                          `"code"`,
		`"grammar":"x"`:                                                                  `"param":"grammar"`,
		`"grammar":"root ::= [a]","json_schema":{}`:                                      "one form",
	} {
		status, answer := post(t, on, "/v1/chat/completions", `{`+user+`,"max_tokens":3,`+body+`}`)
		if body == `"grammar":"root ::= "` { // the empty text
			if status != 200 {
				t.Errorf("%s: %d %s", body, status, answer)
			}
			continue
		}
		if status != 400 || !strings.Contains(answer, part) {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
}
