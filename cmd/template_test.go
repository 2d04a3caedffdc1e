package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/tokenizer"
)

// templated is the Llama fixture's file with another chat template.
func templated(t testing.TB, source string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testutil.Data("fixtures", "llama"))); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "tokenizer_config.json")
	var config map[string]any
	b, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(b, &config) != nil {
		t.Fatal(err)
	}
	config["chat_template"] = source
	if b, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, model := testutil.Convert(t, dir, "q8_0")
	return model
}

// A template that is not understood keeps a model from chatting and from
// nothing else.
func TestBrokenTemplate(t *testing.T) {
	model := templated(t, "{% for m in messages %}{{ m.content ")
	const want = ": chat template: line 1: a tag does not end with }}"
	for _, command := range []string{"chat", "run"} {
		if out, _, err := mil(t, "hi\n", command, model); err == nil || err.Error() != model+want || out != "" {
			t.Errorf("%s: %q, %v", command, out, err)
		}
	}
	if out := must(t, "", "info", model); !strings.Contains(out, "no: chat template: line 1") {
		t.Error(out)
	}
	must(t, "", "run", "--raw", "--max-tokens", "2", model, "hi")
}

// Every special token of the vocabulary stays text in every string of a
// conversation, keys too, through `tokenize --chat`.
func TestTemplateSpecialTokens(t *testing.T) {
	model := templated(t, "{{ bos_token }}{% for m in messages %}{{ m.role }}|{{ m.content }}|{{ m.name }}|{{ m.calls|tojson }}{% endfor %}{{ tools|tojson }}{{ documents }}{{ more }}")
	tok, err := tokenizer.FromFiles(testutil.Data("fixtures", "llama"))
	if err != nil {
		t.Fatal(err)
	}
	for _, special := range tok.Special() {
		x := "a" + special + "b"
		line, err := json.Marshal(map[string]any{
			"messages": []any{map[string]any{"role": x, "content": x, "name": x, "calls": []any{map[string]any{x: []any{x}}}}},
			"tools":    map[string]any{x: x}, "documents": []any{x}, "more": x,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Text string
			IDs  []int32
		}
		if out := must(t, string(line)+"\n", "tokenize", model, "--jsonl", "--chat"); json.Unmarshal([]byte(out), &got) != nil {
			t.Fatal(out)
		}
		if strings.Count(got.Text, x) < 8 {
			t.Errorf("%s is not what was sent", got.Text)
		}
		id, _ := tok.ID(special)
		want := 0
		if special == tok.BOSToken() {
			want = 1
		}
		n := 0
		for _, i := range got.IDs {
			if i == id {
				n++
			}
		}
		if n != want {
			t.Errorf("%s stands %d times among the tokens, want %d", special, n, want)
		}
	}
}

// What a template raises ends a run and a chat in a pipe, with the file's name.
func TestRaisingTemplate(t *testing.T) {
	model := templated(t, "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}{{ m.content }}{% endfor %}")
	for _, command := range []string{"chat", "run"} {
		if out, _, err := mil(t, "hi\n", command, model, "--system", "x"); err == nil || err.Error() != model+": no system role" || out != "" {
			t.Errorf("%s: %q, %v", command, out, err)
		}
	}
	must(t, "hi\n", "run", "--max-tokens", "2", model)
}
