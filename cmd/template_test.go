package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
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
