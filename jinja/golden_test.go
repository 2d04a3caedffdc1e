package jinja

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goldens are folders with a chat_template.jinja and a chat_golden.jsonl, made
// by Jinja2 set up as transformers does. Those of Llama 3 are under a licence
// that keeps them out of the repository.
var goldens = []struct {
	dir    string
	tokens Tokens
	cases  int
}{
	{"../testdata/tokenizers/zephyr", Tokens{BOS: "<s>", EOS: "</s>"}, 42},
	{"../../shared/tokenizers/llama3", Tokens{BOS: "<|begin_of_text|>", EOS: "<|eot_id|>"}, 42},
	{"../../shared/tokenizers/llama3.1", Tokens{BOS: "<|begin_of_text|>", EOS: "<|eot_id|>"}, 66},
	{"../../shared/tokenizers/llama3.2", Tokens{BOS: "<|begin_of_text|>", EOS: "<|eot_id|>"}, 60},
}

func TestGoldens(t *testing.T) {
	for _, g := range goldens {
		t.Run(filepath.Base(g.dir), func(t *testing.T) {
			source, err := os.ReadFile(filepath.Join(g.dir, "chat_template.jinja"))
			if errors.Is(err, os.ErrNotExist) && strings.Contains(g.dir, "shared") {
				t.Skipf("not run: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			tmpl, err := Parse(string(source), g.tokens)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for line := range lines(t, filepath.Join(g.dir, "chat_golden.jsonl")) {
				n++
				checkGolden(t, tmpl, line)
			}
			if n < g.cases {
				t.Errorf("%d cases, want %d", n, g.cases)
			}
		})
	}
}

// lines yields the lines of a file.
func lines(t *testing.T, name string) func(yield func([]byte) bool) {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func([]byte) bool) {
		defer f.Close()
		s := bufio.NewScanner(f)
		s.Buffer(nil, 1<<24)
		for s.Scan() && yield(s.Bytes()) {
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkGolden renders one line, whose keys but for the answers are variables.
func checkGolden(t *testing.T, tmpl *Template, line []byte) {
	t.Helper()
	var want struct {
		Rendered *string
		Error    string
		Cat      string
	}
	if err := json.Unmarshal(line, &want); err != nil {
		t.Fatal(err)
	}
	messages, vars, err := DecodeConversation(line)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"rendered", "ids", "cat", "error"} {
		delete(vars, key)
	}
	r, err := tmpl.Render(messages, vars)
	got := r.Text
	var raised *Raised
	switch {
	case want.Rendered == nil && !errors.As(err, &raised):
		t.Errorf("%s: %v, want the template to raise %q\n%.200s", want.Cat, err, want.Error, line)
	case want.Rendered == nil && raised.Message != want.Error:
		t.Errorf("%s: raised %q, want %q", want.Cat, raised.Message, want.Error)
	case want.Rendered != nil && err != nil:
		t.Errorf("%s: %v\n%.200s", want.Cat, err, line)
	case want.Rendered != nil && got != *want.Rendered:
		t.Errorf("%s: rendered\n%q, want\n%q", want.Cat, got, *want.Rendered)
	}
}
