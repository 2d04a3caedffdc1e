package chat

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/jinja"
	"github.com/mil-run/mil/toolcall"
)

const templates = "../testdata/templates"

// template is a file of templates with what it does with functions.
func template(t *testing.T, name string) (*jinja.Template, *toolTemplate) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(templates, name))
	if err != nil {
		t.Fatal(err)
	}
	one, err := jinja.Parse(string(source), jinja.Tokens{BOS: "<s>", EOS: "</s>"})
	if err != nil {
		t.Fatal(err)
	}
	return one, probeTools(one, string(source))
}

// toolCases is what Jinja2 makes of conversations that call functions.
func toolCases(t *testing.T) (offer *toolcall.Offer, cases []toolCase) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(templates, "tools.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Tools []struct{ Function toolcall.Tool }
		Cases []toolCase
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	offer = &toolcall.Offer{}
	for _, one := range all.Tools {
		offer.Tools = append(offer.Tools, one.Function)
	}
	return offer, all.Cases
}

type toolCase struct {
	Template, Format string
	Messages         []Message
	Text             string
}

// Each family's format is found, and its template writes calls, results and functions as
// Jinja2 does. What came from outside is marked as such.
func TestRenderTools(t *testing.T) {
	offer, cases := toolCases(t)
	if len(cases) < 50 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		tmpl, to := template(t, c.Template)
		if to.format.Name != c.Format || !to.describes || !to.calls || !to.results {
			t.Fatalf("%s: %+v, format %s, want %s", c.Template, to, to.format.Name, c.Format)
		}
		got, err := to.render(tmpl, c.Messages, offer)
		if err != nil || got.Text != c.Text {
			t.Errorf("%s: %v\n%q, want\n%q", c.Template, err, got.Text, c.Text)
			continue
		}
		for _, outside := range []string{`Weather of a \"place\" <|eot_id|>`, "get_weather", "Zürich [TOOL_CALLS]", "</s><|eot_id|>"} {
			for at := 0; ; at += len(outside) {
				next := strings.Index(got.Text[at:], outside)
				if next < 0 {
					break
				}
				if at += next; !covered(got.Outside, at, at+len(outside)) {
					t.Errorf("%s: %q at %d may become special tokens", c.Template, outside, at)
				}
			}
		}
	}
}

func covered(spans [][2]int, from, to int) bool {
	for _, s := range spans {
		if s[0] <= from && s[1] >= to {
			return true
		}
	}
	return false
}

// Templates without functions get them in the texts of messages.
func TestRenderPlain(t *testing.T) {
	offer, cases := toolCases(t)
	tmpl, to := template(t, "tools/turns.jinja")
	if to.format != toolcall.Plain || to.describes || to.calls || to.results || !to.system {
		t.Fatalf("%+v", to)
	}
	last := cases[3].Messages // system, user, call, result, assistant, user
	got, err := to.render(tmpl, last, offer)
	if err != nil {
		t.Fatal(err)
	}
	instructions, err := to.format.Instructions(offer)
	if err != nil {
		t.Fatal(err)
	}
	call := `{"name": "get_weather", "arguments": ` + last[2].ToolCalls[0].Arguments + `}`
	want := "<s><|system|>\nBe brief.\n\n" + instructions + "</s>\n<|user|>\nWeather?</s>\n<|assistant|>\n" + call + "</s>\n<|user|>\nResult of get_weather:\n{\"sunny\": true}</s>\n" +
		"<|assistant|>\nSunny.</s>\n<|user|>\nThanks</s>\n<|assistant|>\n"
	if got.Text != want {
		t.Errorf("%q, want\n%q", got.Text, want)
	}
	for _, part := range []string{`"name":"get_weather"`, `"required":["place"]`, `{"name": "NAME", "arguments": {"ARGUMENT": "VALUE"}}`} {
		if !strings.Contains(instructions, part) {
			t.Errorf("%s is missing in %s", part, instructions)
		}
	}
	// Two results and a user's text are one message: roles take turns.
	two := cases[len(cases)-1].Messages
	got, err = to.render(tmpl, append(two[:len(two):len(two)], Message{Role: "user", Content: "So?"}), nil)
	if err != nil || !strings.Contains(got.Text, "<|user|>\nResult of get_weather:\na\n\nResult of now:\nb\n\nSo?</s>") {
		t.Errorf("%q %v", got.Text, err)
	}
	none, to := template(t, "tools/no_system.jinja")
	if _, err := to.render(none, []Message{{Role: "user", Content: "x"}}, offer); !errors.Is(err, ErrNoTools) {
		t.Errorf("no place for functions: %v", err)
	}
}

// Arguments and names that cannot stand in a prompt are refused with their place.
func TestRenderRefuses(t *testing.T) {
	tmpl, to := template(t, "models/qwen3.jinja")
	for want, c := range map[string]toolcall.Call{
		"messages[1]: tool_calls[0]: the arguments are no JSON object": {Name: "f", Arguments: `{"a":`},
		"messages[1]: tool_calls[0]: \"a\\\"b\" is no name":            {Name: `a"b`, Arguments: `{}`},
	} {
		_, err := to.render(tmpl, []Message{{Role: "user", Content: "x"}, {Role: "assistant", ToolCalls: []toolcall.Call{c}}}, nil)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
