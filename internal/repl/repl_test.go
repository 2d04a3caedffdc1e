package repl

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/llm"
)

// piped runs a chat with the demo over the text of a pipe.
func piped(t *testing.T, input string) (out string, err error) {
	t.Helper()
	m, err := llm.Open("", llm.Options{Backend: "cpu", Context: 1024, Set: llm.Greedy})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	go func() {
		io.WriteString(w, input)
		w.Close()
	}()
	var b bytes.Buffer
	err = Run(s.Conversation(), Options{In: in, Out: &b, Err: io.Discard})
	return b.String(), err
}

func TestPipe(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	dir := t.TempDir()
	saved := filepath.Join(dir, "talk.json")
	for name, c := range map[string]struct{ in, out string }{
		"turns":       {"My name is Opal.\nWhat is my name?\n", "Nice to meet you, Opal!\nYour name is Opal.\n"},
		"no last end": {"What is 2 plus 3?", "2 + 3 = 5.\n"},
		"CRLF":        {"What is 2 plus 3?\r\n\r\n", "2 + 3 = 5.\n"},
		"quit":        {"/quit\nWhat is 2 plus 3?\n", ""},
		"regen":       {"What is 2 plus 3?\n/regen\n", "2 + 3 = 5.\n2 + 3 = 5.\n"},
		"undo":        {"My name is Opal.\nMy name is Leo.\n/undo\nWhat is my name?\n", "Nice to meet you, Opal!\nNice to meet you, Leo!\nYour name is Opal.\n"},
		"quotes":      {"\"\"\"\nWhat is\n2 plus 3?\n\"\"\"\n", "2 + 3 = 5.\n"},
		"one line":    {"\"\"\"What is 2 plus 3?\"\"\"\n", "2 + 3 = 5.\n"},
		"save":        {"My name is Opal.\n/save " + saved + "\n/reset\n/load " + saved + "\nWhat is my name?\n", "Nice to meet you, Opal!\nYour name is Opal.\n"},
		"by name":     {"My name is Opal.\n/save a b\n/reset\n/load a b\nWhat is my name?\n", "Nice to meet you, Opal!\nYour name is Opal.\n"},
		"system":      {"/system Be kind.\n/system\n/system -\n", "Be kind.\n"},
		"set":         {"/set max-tokens 2\n/set max-tokens\nTell me a story.\n", "  max-tokens       2     a whole number from 0; 0 goes on to the context's end\nOnce upon\n"},
		"empty":       {"", ""},
	} {
		if out, err := piped(t, c.in); err != nil || out != c.out {
			t.Errorf("%s: %q, %v; want %q", name, out, err, c.out)
		}
	}
	var m []chat.Message
	if b, err := os.ReadFile(saved); err != nil || json.Unmarshal(b, &m) != nil || len(m) != 2 {
		t.Errorf("saved %s, %v", b, err)
	}
}

// Text between quotes is said and not run.
func TestQuotedIsNoCommand(t *testing.T) {
	out, err := piped(t, "\"\"\"/quit\"\"\"\n/reset\nWhat is 2 plus 3?\n")
	if err != nil || strings.Count(out, "\n") != 2 || !strings.HasSuffix(out, "\n2 + 3 = 5.\n") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestPipeErrors(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	bad := filepath.Join(t.TempDir(), "bad.json")
	os.WriteFile(bad, []byte(`{"role":"user"}`), 0o600)
	for in, want := range map[string]string{
		"/foo\n":                       "no command /foo",
		"/regen\n":                     "nothing to answer",
		"/undo\n":                      "nothing to take back",
		"/save x\n":                    "nothing to save",
		"/load nowhere\n":              "nowhere.session",
		"/load " + bad + "\n":          "neither a list of messages",
		"/set heat 3\n":                `no setting "heat" (known: temp`,
		"/set temp hot\n":              `"hot" is not a value`,
		"/set top-p 7\n":               "between 0 and 1",
		"/stats\n":                     "no statistics",
		"\"\"\"\nnever ends\n":         "ends inside",
		strings.Repeat("honey ", 2000): "context 1024",
		"/foo\nWhat is 2 plus 3?\n":    "no command /foo", // the first error ends it
		"/save /nowhere/at/all/x.json": "nothing to save",
		"/set max-tokens -1\n":         "not a value",
		"/load " + t.TempDir() + "/\n": "is a directory",
	} {
		out, err := piped(t, in)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.30q: %v; want %q", in, err, want)
		}
		if out != "" {
			t.Errorf("%.30q printed %q", in, out)
		}
	}
}

// A long pasted text is one character of the line, and itself in the message.
func TestLongPaste(t *testing.T) {
	text := strings.Repeat("a line\n", 300)
	long := &pastes{}
	paste := "\033[200~" + text + "\033[201~"
	p := &keyReader{in: io.NopCloser(strings.NewReader("x" + paste + "y" + paste + "\r")), long: long}
	line, err := io.ReadAll(p)
	if want := "x\U0010F000y\U0010F001\r"; err != nil || string(line) != want {
		t.Fatalf("%q, %v; want %q", line, err, want)
	}
	nl := strings.ReplaceAll(text, "\n", string(newline))
	if got, n := long.expand(string(line) + "\U0010F002"); got != "x"+nl+"y"+nl+"\r\U0010F002" || n != 2 {
		t.Errorf("%d pasted, %.50q", n, got)
	}
	if got := string(paint([]rune("x\U0010F000"))); got != "x▤" {
		t.Errorf("%q", got)
	}
	// A paste that never ends is typed.
	p = &keyReader{in: io.NopCloser(strings.NewReader("\033[200~" + text)), long: long}
	if line, _ := io.ReadAll(p); string(line) != nl {
		t.Errorf("%.50q", line)
	}
}

// Text that an error quotes cannot move the cursor or begin another line.
func TestLine(t *testing.T) {
	if got := Line(errors.New("open \x1b[2J\n\ta\xff: no")); got != "open \uFFFD[2J;  a\uFFFD: no" {
		t.Errorf("%q", got)
	}
}

// slow reads a few bytes at a time.
type slow struct {
	s    string
	size int
}

func (r *slow) Read(b []byte) (int, error) {
	if r.s == "" {
		return 0, io.EOF
	}
	n := copy(b[:min(r.size, len(b))], r.s)
	r.s = r.s[n:]
	return n, nil
}

func TestVisible(t *testing.T) {
	if got := Visible("a\tb\n\033]0;x\007\u009bm"); got != "a\tb\n\uFFFD]0;x\uFFFD\uFFFDm" {
		t.Errorf("%q", got)
	}
}
