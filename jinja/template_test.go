package jinja

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
)

func render(t *testing.T, source string, messages []Message, vars map[string]any) string {
	t.Helper()
	tmpl, err := Parse(source, Tokens{BOS: "<s>", EOS: "</s>"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := tmpl.Render(messages, vars)
	if err != nil {
		t.Fatal(err)
	}
	return text.Text
}

func TestVariables(t *testing.T) {
	ordered := new(Map)
	ordered.Set("z", 1)
	ordered.Set("a", []any{true, nil, 1.5, "é"})
	ordered.Set("z", int32(2))
	vars := map[string]any{
		"ordered": ordered,
		"sorted":  map[string]any{"z": 1, "a": []string{"x"}},
		"raw":     json.RawMessage(`{"z": 1.0, "a": {"c": 12345678901234567890, "b": -0}}`),
		"none":    (*Map)(nil),
	}
	for source, want := range map[string]string{
		"{{ bos_token }}{{ eos_token }}{{ tools }}{{ documents }}": "<s></s>NoneNone",
		"{{ ordered|tojson }}": `{"z": 2, "a": [true, null, 1.5, "é"]}`,
		"{{ sorted|tojson }}":  `{"a": ["x"], "z": 1}`,
		"{{ raw|tojson }}":     `{"z": 1.0, "a": {"c": 12345678901234567890, "b": 0}}`,
		"{{ none }}":           "None",
		"{{ messages[0].role }}: {{ messages[0]['content'] }}": "user: Hi",
	} {
		if got := render(t, source, []Message{NewMessage("user", "Hi")}, vars); got != want {
			t.Errorf("%s: %q, want %q", source, got, want)
		}
	}
	if got := render(t, "{{ bos_token }}{{ tools }}{{ range }}", nil, map[string]any{"bos_token": "B", "tools": 1, "range": "R"}); got != "B1R" {
		t.Errorf("variables of the caller do not win: %q", got)
	}
}

func TestVariableErrors(t *testing.T) {
	deep := any("x")
	for range maxNesting + 2 {
		deep = []any{deep}
	}
	tmpl, err := Parse("{{ x }}", Tokens{})
	if err != nil {
		t.Fatal(err)
	}
	for want, v := range map[string]any{
		"chat template: variable x: a template cannot use a Go jinja.Tokens": Tokens{},
		"chat template: variable x: value nests deeper than 200":             deep,
		"chat template: variable x: unexpected EOF":                          json.RawMessage(`{"a": [`),
	} {
		if _, err := tmpl.Render(nil, map[string]any{"x": v}); err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for source, want := range map[string]string{
		"a\n{% if x %}\nb":          "chat template: line 3: the template ends where endif is expected",
		"a\n{{ nope() }}":           "chat template: line 2: 'nope' is undefined",
		"\n\n{{ 1 | nope }}":        "chat template: line 3: no filter named 'nope'",
		"{{ 1 is nope }}":           "chat template: line 1: no test named 'nope'",
		"{% include 'x' %}":         "chat template: line 1: a chat template cannot use {% include %}",
		"{{ 'a\nb'.index('\nc') }}": "chat template: line 1: substring not found",
	} {
		tmpl, err := Parse(source, Tokens{})
		if err == nil {
			_, err = tmpl.Render(nil, nil)
		}
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
}

func TestRaised(t *testing.T) {
	tmpl, err := Parse("{{ raise_exception('two\nlines') }}", Tokens{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Render(nil, nil)
	var raised *Raised
	if !errors.As(err, &raised) || err.Error() != "two\nlines" {
		t.Errorf("%v", err)
	}
}

func TestDecodeConversation(t *testing.T) {
	messages, vars, err := DecodeConversation([]byte(
		`{"tools": [{"z": 1, "a": 2}], "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "tool_calls": [{"b": {"y": 1, "x": 2}}]}], "add_generation_prompt": true}`))
	if err != nil {
		t.Fatal(err)
	}
	got := render(t, "{{ messages|tojson }}{{ tools|tojson }}{{ add_generation_prompt }}", messages, vars)
	want := `[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "tool_calls": [{"b": {"y": 1, "x": 2}}]}]` +
		`[{"z": 1, "a": 2}]True`
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for line, want := range map[string]string{
		`{"messages": [`:              "unexpected EOF",
		`[]`:                          "a list where an object with messages is wanted",
		`{}`:                          "no list of messages",
		`{"messages": {"role": "x"}}`: "no list of messages",
		`{"messages": [{}, "x"]}`:     "message 1 is a string, not an object",
		`{"messages": []} {}`:         "text after the JSON value",
		strings.Repeat("[", 300):      "JSON nests deeper than 200",
	} {
		if _, _, err := DecodeConversation([]byte(line)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", line, err, want)
		}
	}
}

func TestMessageJSON(t *testing.T) {
	const want = `{"role":"user","content":"é <b>\"\n","z":[1,2.0,null,{"y":true,"x":12345678901234567890}],"a":{}}`
	var m Message
	if err := json.Unmarshal([]byte(want), &m); err != nil {
		t.Fatal(err)
	}
	if got, err := m.MarshalJSON(); err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	m.Set("z", struct{}{})
	if got, err := json.Marshal(m); err == nil {
		t.Errorf("a Go struct in a message gives %s", got)
	}
	if err := json.Unmarshal([]byte(`[1]`), &m); err == nil {
		t.Error("a list unmarshals as a message")
	}
}

func TestLimits(t *testing.T) {
	tmpl, err := Parse("{% for i in range(100) %}{{ 'x' * 10 }}{% endfor %}", Tokens{})
	if err != nil {
		t.Fatal(err)
	}
	for want, l := range map[string]Limits{
		"too many steps":         {Steps: 500, Bytes: 1 << 20, Output: 1 << 20},
		"uses too much memory":   {Steps: 1 << 20, Bytes: 500, Output: 1 << 20},
		"the result is too long": {Steps: 1 << 20, Bytes: 1 << 20, Output: 500},
	} {
		if _, err := tmpl.WithLimits(l).Render(nil, nil); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if text, err := tmpl.Render(nil, nil); err != nil || len(text.Text) != 1000 {
		t.Errorf("with the default limits: %d bytes, %v", len(text.Text), err)
	}
}

// A long conversation must fit into the default limits many times over.
func TestManyTurns(t *testing.T) {
	var messages []Message
	for range 20000 {
		messages = append(messages, NewMessage("user", "How are you today?"), NewMessage("assistant", "Fine, and you?"))
	}
	got := render(t, "{% for m in messages %}{% if m.role in ['user', 'assistant'] %}{{ '<' + m['role'] + '>' + m['content']|trim }}{% endif %}{% if loop.last %}!{% endif %}{% endfor %}", messages, nil)
	if len(got) != 20000*(len("<user>How are you today?<assistant>Fine, and you?"))+1 {
		t.Errorf("%d bytes", len(got))
	}
}

func TestConcurrentRenders(t *testing.T) {
	tmpl, err := Parse("{% macro m(x) %}{{ x }}{% endmacro %}{% set n = namespace(i=0) %}{% for c in messages %}{% set n.i = n.i + 1 %}{{ m(c.content) }}{{ loop.index }}{{ n.i }}{% endfor %}", Tokens{})
	if err != nil {
		t.Fatal(err)
	}
	messages := []Message{NewMessage("user", "a"), NewMessage("user", "b")}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got, err := tmpl.Render(messages, nil); err != nil || got.Text != "a11b22" {
				t.Errorf("%q, %v", got.Text, err)
			}
		})
	}
	wg.Wait()
}

// Every special token reaches a template under its name; those that a tokenizer lacks
// are undefined, but for bos_token and eos_token, which are empty.
func TestNamedTokens(t *testing.T) {
	p, err := Parse("{{ bos_token }}|{{ pad_token }}|{{ additional_special_tokens[1] }}|{{ unk_token is defined }}|{{ eos_token }}",
		Tokens{BOS: "<s>", Named: map[string]any{"bos_token": "other", "pad_token": "<pad>", "additional_special_tokens": []string{"<a>", "<b>"}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Render(nil, nil)
	if want := "<s>|<pad>|<b>|False|"; err != nil || got.Text != want || len(got.Outside) > 0 {
		t.Errorf("%q, %v, want %q", got.Text, err, want)
	}
}
