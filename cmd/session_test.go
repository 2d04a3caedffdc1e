package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChatSession(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	file := filepath.Join(t.TempDir(), "talk")
	session := func(stdin string, more ...string) string {
		return must(t, stdin, append([]string{"chat", "--temp", "0", "--session", file}, more...)...)
	}
	if out := session("My name is Opal.\n"); out != "Nice to meet you, Opal!\n" {
		t.Errorf("%q", out)
	}
	if out := session("What is my name?\n/undo\nWhat is 2 plus 3?\n"); out != "Your name is Opal.\n2 + 3 = 5.\n" {
		t.Errorf("gone on: %q", out)
	}
	if out := session("/regen\n/undo\nWhat is my name?\n/save x\n/reset\n/load x\nWhat is my name?\n", "--draft", "lookup"); out != "2 + 3 = 5.\nYour name is Opal.\nYour name is Opal.\n" {
		t.Errorf("once more: %q", out)
	}
	// A turn that was not written whole is left out, with a word about it.
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(make([]byte, 1000))
	f.Close()
	out, errs, err := mil(t, "What is my name?\n", "chat", "--temp", "0", "--session", file)
	if err != nil || out != "Your name is Opal.\n" || !strings.Contains(errs, "not written whole") || strings.Count(errs, "\n") != 1 {
		t.Errorf("torn: %q, %q, %v", out, errs, err)
	}
	if out := session("What is my name?\n"); out != "Your name is Opal.\n" {
		t.Errorf("after a torn turn: %q", out)
	}
}

// What cannot be gone on from is one line, and nothing is changed.
func TestSessionMistakes(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	must(t, "My name is Opal.\n", "chat", "--temp", "0", "--session", good)
	raw, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	flipped := append([]byte(nil), raw...)
	flipped[len(raw)/2] ^= 1
	for path, want := range map[string]string{
		write("cut", raw[:len(raw)-9]):     "is cut short",
		write("flipped", flipped):          "is damaged",
		write("text", []byte("some text")): "not a session file",
		write("empty", nil):                "not a session file",
		filepath.Join(dir, "none", "x"):    "no such file",
		dir:                                "is a directory",
	} {
		before, _ := os.ReadFile(path)
		out, errs, err := mil(t, "Hello\n", "chat", "--session", path)
		if err == nil || out != "" || errs != "" || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q, %q, %v", path, out, errs, err)
		}
		if after, _ := os.ReadFile(path); string(after) != string(before) {
			t.Errorf("%s was changed", path)
		}
	}
	other := fixture(t, "zephyr", "q8_0")
	if _, _, err := mil(t, "Hello\n", "chat", other, "--session", good); err == nil || !strings.Contains(err.Error(), "of another model") {
		t.Error("another model:", err)
	}
}

func TestPromptCacheFlag(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	args := []string{"run", "--temp", "0", "--stats", "--prompt-cache", dir, "What is 2 plus 3?"}
	for i, want := range []string{"prompt 18 tokens (0 reused)", "prompt 0 tokens (18 reused)"} {
		out, errs, err := mil(t, "", args...)
		if err != nil || out != "2 + 3 = 5.\n" || !strings.HasPrefix(errs, want) {
			t.Errorf("run %d: %q, %q, %v", i, out, errs, err)
		}
	}
	for _, bad := range [][]string{{"--prompt-cache-size", "0"}, {"--prompt-cache-size", "-3"}, {"--on-full", "wrap"}, {"--prompt-cache", os.DevNull}} {
		if _, _, err := mil(t, "", append(args, bad...)...); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
