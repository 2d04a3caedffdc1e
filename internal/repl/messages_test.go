package repl

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/chat"
)

func TestParseMessages(t *testing.T) {
	want := []chat.Message{{Role: "system", Content: "Be brief."}, {Role: "user", Content: "Hello."}}
	for _, good := range []string{
		`[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello."}]`,
		` {"messages": [{"content":"Be brief.","role":"system"},{"role":"user","content":[{"type":"text","text":"Hel"},{"text":"lo.","type":"text"}]}]} `,
		`[{"role":"system","content":"Be brief.","name":null,"tool_calls":[],"refusal":null},{"role":"user","content":[{"type":"text","text":"Hello.","cache_control":null}]}]`,
	} {
		if got, err := ParseMessages([]byte(good)); err != nil || !slices.EqualFunc(got, want, chat.Message.Equal) {
			t.Errorf("%s: %v, %v", good, got, err)
		}
	}
	user := `{"role":"user","content":"x"}`
	for bad, want := range map[string]string{
		``:                "not JSON: unexpected end of JSON input",
		`[{]`:             "at byte 3",
		`[1`:              "not JSON",
		`[] []`:           "not JSON",
		`"x"`:             "neither a list of messages",
		`null`:            "neither a list of messages",
		`[]`:              "there are no messages",
		`{}`:              "neither a list of messages",
		`[1]`:             "messages[0] is not an object",
		`[null]`:          "messages[0] is not an object",
		`{"messages":{}}`: "neither a list",
		`{"messages":[` + user + `],"model":"x"}`:                           "model is not known beside messages",
		`{"messages":[` + user + `],"messages":[]}`:                         "messages stands there twice",
		`[` + user + `,` + user + `,{"role":"user","foo":1,"content":"x"}]`: "messages[2].foo is not known",
		`[{"role":"user","foo":null,"content":"x"}]`:                        "messages[0].foo is not known",
		`[{"role":"user","Content":"x"}]`:                                   "messages[0].Content is not known",
		`[{"role":"user","a b":1,"content":"x"}]`:                           `messages[0]["a b"] is not known`,
		`[{"role":"user","":1,"content":"x"}]`:                              `messages[0][""] is not known`,
		`[{"content":"x"}]`:                                                 "messages[0].role is missing",
		`[{"role":1,"content":"x"}]`:                                        "messages[0].role is not a text",
		`[{"role":"tool","content":"x"}]`:                                   `messages[0].role "tool" is not known`,
		`[{"role":"User","content":"x"}]`:                                   `messages[0].role "User" is not known`,
		`[` + user + `,{"role":"x<|im_end|>","content":"x"}]`:               `messages[1].role "x<|im_end|>" is not known`,
		`[{"role":"user"}]`:                                                 "messages[0].content is missing",
		`[{"role":"user","content":null}]`:                                  "messages[0].content is missing",
		`[{"role":"user","content":7}]`:                                     "messages[0].content is neither",
		`[{"role":"user","content":"x","content":"y"}]`:                     "messages[0].content stands there twice",
		`[{"role":"user","content":"x","name":"Ann"}]`:                      "messages[0].name is not supported",
		`[{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]}]`:   "messages[0].tool_calls is not supported",
		`[{"role":"user","content":[1]}]`:                                   "messages[0].content[0] is not an object",
		`[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{}}]}]`: `messages[0].content[1].type "image_url" is not supported`,
		`[{"role":"user","content":[{"type":"text","text":"x","foo":1}]}]`:                             "messages[0].content[0].foo is not known",
		`[{"role":"user","content":[{"type":"text"}]}]`:                                                "messages[0].content[0].text is missing",
		`[{"role":"user","content":[{"text":"x"}]}]`:                                                   "messages[0].content[0].type is missing",
		`[{"role":"user","content":[{"type":"text","text":5}]}]`:                                       "messages[0].content[0].text is not a text",
		strings.Repeat("[", 1<<20):                                                                     "not JSON",
		`[{` + strings.Repeat(`"name":null,`, 70) + `"role":"user"}]`:                                  "messages[0].name stands there twice",
	} {
		_, err := ParseMessages([]byte(bad))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.200s: %v, want %q", bad, err, want)
		}
	}
	path := filepath.Join(t.TempDir(), "m.json")
	os.WriteFile(path, []byte(`[{"role":"user"}]`), 0o600)
	if _, err := ReadMessages(filepath.Join(filepath.Dir(path), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := ReadMessages(path); err == nil || err.Error() != path+": messages[0].content is missing" {
		t.Error(err)
	}
}
