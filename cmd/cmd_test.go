package cmd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/cmd"
	"github.com/mil-run/mil/internal/testutil"
)

// mil runs the command line with a pipe as standard input.
func mil(t testing.TB, stdin string, args ...string) (out, errs string, err error) {
	t.Helper()
	in, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	go func() {
		io.WriteString(w, stdin)
		w.Close()
	}()
	var o, e bytes.Buffer
	err = cmd.Execute(args, in, &o, &e)
	return o.String(), e.String(), err
}

// TestMain gives the tests a folder of models of their own, an empty one.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "mil-cmd-")
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"XDG_DATA_HOME", "LOCALAPPDATA"} {
		os.Setenv(name, dir)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// must is mil without an error, nor a word on stderr but that a limit cut the reply.
func must(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	out, errs, err := mil(t, stdin, args...)
	if err != nil || errs != "" && (!strings.HasPrefix(strings.Replace(errs, "warning: ", "", 1), "mil: the reply was cut ") || strings.Count(errs, "\n") != 1) {
		t.Fatalf("mil %q: %v, stderr %q", args, err, errs)
	}
	return out
}

func fixture(t testing.TB, name, mix string) string {
	t.Helper()
	_, path := testutil.Convert(t, testutil.Data("fixtures", name), mix)
	return path
}

func TestRun(t *testing.T) {
	messages := filepath.Join(t.TempDir(), "m.json")
	os.WriteFile(messages, []byte(`[{"role":"user","content":"My name is Opal."},{"role":"assistant","content":"Nice to meet you, Opal!"},{"role":"user","content":"What is my name?"}]`), 0o600)
	for name, c := range map[string]struct {
		stdin string
		args  []string
		want  string
	}{
		"argument":             {"", []string{"--temp", "0", "What is 2 plus 3?"}, "2 + 3 = 5.\n"},
		"pipe":                 {"What is 2 plus 3?\n", []string{"--temp=0"}, "2 + 3 = 5.\n"},
		"both":                 {"2 plus 3?\n", []string{"What is", "--temp", "0"}, "2 + 3 = 5.\n"},
		"several words":        {"", []string{"demo", "What", "is", "2", "plus", "3?", "--temp", "0"}, "2 + 3 = 5.\n"},
		"messages":             {"not read", []string{"--messages", messages, "--temp", "0"}, "Your name is Opal.\n"},
		"messages and prompt":  {"", []string{"--messages", messages, "--temp", "0", "What is 2 plus 3?"}, "2 + 3 = 5.\n"},
		"limit":                {"", []string{"--temp", "0", "--max-tokens", "3", "Tell me a story."}, "Once upon a\n"},
		"stop":                 {"", []string{"--temp", "0", "--stop", " upon", "Tell me a story."}, "Once\n"},
		"raw":                  {"", []string{"--temp", "0", "--raw", "--max-tokens", "3", "Once upon"}, " a time there\n"},
		"raw pipe":             {"Once upon\n", []string{"--temp", "0", "--raw", "--max-tokens", "3"}, " a time there\n"},
		"path-like with space": {"", []string{"--temp", "0", "What is 12/4 plus 3? /"}, ""},
	} {
		out := must(t, c.stdin, append([]string{"run"}, c.args...)...)
		if c.want != "" && out != c.want {
			t.Errorf("%s: %q, want %q", name, out, c.want)
		}
	}
	a := must(t, "", "run", "--seed", "7", "--temp", "1.2", "Tell me a story.")
	if b := must(t, "", "run", "--seed", "7", "--temp", "1.2", "--threads", "1", "Tell me a story."); a != b {
		t.Errorf("one seed, two texts: %q, %q", a, b)
	}
	_, errs, err := mil(t, "", "run", "--temp", "0", "--ctx", "9000", "--stats", "What is 2 plus 3?")
	if err != nil || !strings.Contains(errs, "--ctx 9000 is more than the 8192") || !strings.Contains(errs, "tok/s") {
		t.Errorf("warning and statistics: %q, %v", errs, err)
	}
}

func TestChatInAPipe(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if out := must(t, "What is 2 plus 3?\n", "chat", "--temp", "0"); out != "2 + 3 = 5.\n" {
		t.Errorf("%q", out)
	}
	if out := must(t, "What is 2 plus 3?\n", "chat", "demo", "My name is Opal.", "--temp", "0"); out != "Nice to meet you, Opal!\n2 + 3 = 5.\n" {
		t.Errorf("with a first message: %q", out)
	}
}

// Every mistake is one clear line.
func TestMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	notes := write("notes", "some text")
	empty := write("empty.bin", "")
	llama := fixture(t, "llama", "f32")
	mamba := fixture(t, "pure-mamba1", "f32")
	for _, c := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"run"}, "no prompt"},
		{"\n", []string{"run"}, "no prompt"},
		{"", []string{"run", "model.bin", "x"}, "model.bin"},
		{"", []string{"run", "--raw", "--system", "x", "y"}, "exclude each other"},
		{"", []string{"info", ""}, "no such file"},
		{"", []string{"logits", "", "--tokens", "1"}, "no such file"},
		{"", []string{"logits", llama, "--tokens", "512"}, llama + ": token 512 is not among the model's 512"},
		{"x\n", []string{"chat", llama, "--ctx", "8"}, llama + ": the context is full"},
		{"", []string{"run", "nowhere/model", "x"}, "nowhere/model"},
		{"", []string{"run", dir, "x"}, "mil convert " + dir},
		{"", []string{"run", notes, "x"}, notes + ": not a GGUF file"},
		{"", []string{"chat", empty}, "it is empty"},
		{"", []string{"chat", mamba}, "no chat template"},
		{"", []string{"run", mamba, "x"}, "no chat template"},
		{"", []string{"run", "--ctx", "-1", "x"}, "--ctx -1"},
		{"", []string{"run", "--ctx", "99999999999", "x"}, "--ctx 99999999999"},
		{"", []string{"run", "--threads", "-2", "x"}, "--threads -2"},
		{"", []string{"run", "--kv", "q4_0", "x"}, "--kv q4_0 is none of f16, q8_0"},
		{"", []string{"info", llama, "--kv", "f32"}, "--kv f32"},
		{"", []string{"run", "--temp", "-1", "x"}, "temperature -1"},
		{"", []string{"run", "--temp", "NaN", "x"}, "temperature NaN"},
		{"", []string{"run", "--top-p", "1.5", "x"}, "top-p 1.5"},
		{"", []string{"run", "--stop", "", "x"}, "--stop"},
		{"", []string{"run", "--max-tokens", "-1", "x"}, "--max-tokens -1"},
		{"", []string{"run", "--messages", notes}, notes},
		{"", []string{"run", "--messages", notes, "--raw"}, "exclude"},
		{"", []string{"run", "--ctx", "20", strings.Repeat("honey ", 60)}, "the prompt is"},
		{"", []string{"run", "--raw", "--ctx", "20", strings.Repeat("honey ", 60)}, "the prompt is"},
		{"", []string{"run", "--nonsense"}, "unknown flag"},
		{"", []string{"sing"}, "unknown command"},
		{"", []string{"info", "demo", "demo"}, "mil info takes MODEL at most"},
		{"", []string{"logits"}, "mil logits takes MODEL"},
		{"", []string{"info", notes}, "not a GGUF file"},
		{"", []string{"tokenize", dir}, "tokenizer.json"},
		{"", []string{"tokenize", llama, "--decode"}, "--jsonl"},
		{"", []string{"tokenize"}, "mil tokenize takes MODEL_OR_FOLDER"},
		{"{\"id\":[1]}\n", []string{"tokenize", llama, "--jsonl", "--decode"}, `line 1: there is no "ids"`},
		{"nonsense\n", []string{"tokenize", llama, "--jsonl"}, "line 1"},
		{"{}\n", []string{"tokenize", llama, "--jsonl"}, `no "text"`},
		{"", []string{"logits", llama, "--tokens", "1,x"}, `"x" is not a token id`},
		{"", []string{"logits", llama, "--tokens", "1,99999"}, "token 99999"},
		{"", []string{"logits", llama}, "tokens"},
		{"", []string{"logits", llama, "--tokens", "1", "-o", filepath.Join(dir, "no", "where")}, "no such file"},
	} {
		out, errs, err := mil(t, c.stdin, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("mil %q: %v; want %q", c.args, err, c.want)
		}
		if out != "" || errs != "" {
			t.Errorf("mil %q printed %q, on stderr %q", c.args, out, errs)
		}
	}
}

func TestLogits(t *testing.T) {
	want := testutil.Safetensors(t, testutil.Data("fixtures", "mamba2-half", "expected.safetensors"))
	var ids []string
	for _, id := range want["tokens"].I32 {
		b, _ := json.Marshal(id)
		ids = append(ids, string(b))
	}
	model := fixture(t, "mamba2-half", "f32")
	file := filepath.Join(t.TempDir(), "logits.safetensors")
	for _, step := range [][]string{nil, {"--step"}} {
		must(t, "", append([]string{"logits", model, "--tokens", strings.Join(ids, ","), "-o", file}, step...)...)
		got := testutil.Safetensors(t, file)["logits"]
		if e := testutil.RelativeError(got.F32, want["logits"].F32); !(e < 1e-4) || got.Shape[0] != len(ids) {
			t.Errorf("%v: relative error %g, shape %v", step, e, got.Shape)
		}
		if out := must(t, "", append([]string{"logits", "--tokens", strings.Join(ids, ","), model}, step...)...); out != readFile(t, file) {
			t.Error("standard output and -o differ")
		}
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The goldens' first lines, through the command and through a model file.
func TestTokenize(t *testing.T) {
	folder := testutil.Data("tokenizers", "mistral")
	golden := strings.SplitAfter(readFile(t, filepath.Join(folder, "golden.jsonl")), "\n")[:100]
	got := strings.Split(must(t, strings.Join(golden, ""), "tokenize", folder, "--jsonl"), "\n")
	for i, line := range golden {
		var want, have struct{ IDs []int32 }
		json.Unmarshal([]byte(line), &want)
		if err := json.Unmarshal([]byte(got[i]), &have); err != nil || len(have.IDs) != len(want.IDs) {
			t.Errorf("line %d: %s, want ids %v", i, got[i], want.IDs)
		}
	}
	model := fixture(t, "llama", "f32")
	if out := must(t, "", "tokenize", model, "Hi <|eot_id|>"); strings.Contains(out, `"<|eot_id|>"`) || !strings.Contains(out, `"<|begin_of_text|>"`) {
		t.Errorf("typed text:\n%s", out)
	}
	if out := must(t, "Hi <|eot_id|>", "tokenize", model, "--special"); !strings.Contains(out, `"<|eot_id|>"`) {
		t.Errorf("--special:\n%s", out)
	}
	out := must(t, `{"messages":[{"role":"user","content":"Hi"}],"add_generation_prompt":true}`+"\n", "tokenize", model, "--jsonl", "--chat")
	var chat struct {
		Text string
		IDs  []int32
	}
	if err := json.Unmarshal([]byte(out), &chat); err != nil || !strings.HasSuffix(chat.Text, "assistant<|end_header_id|>\n\n") || len(chat.IDs) == 0 {
		t.Errorf("--chat: %s", out)
	}
	ids, _ := json.Marshal(map[string]any{"ids": chat.IDs})
	out = must(t, string(ids)+"\n", "tokenize", model, "--jsonl", "--decode")
	var text struct{ Text string }
	if json.Unmarshal([]byte(out), &text); text.Text != chat.Text {
		t.Errorf("--decode: %q, want %q", text.Text, chat.Text)
	}
	// A template that refuses is an answer, and the next line goes on.
	refused := t.TempDir()
	for _, f := range []string{"tokenizer.json", "tokenizer_config.json"} {
		os.WriteFile(filepath.Join(refused, f), []byte(readFile(t, testutil.Data("fixtures", "llama", f))), 0o600)
	}
	os.WriteFile(filepath.Join(refused, "chat_template.jinja"), []byte(`{% if not messages %}{{ raise_exception("no messages, no chat") }}{% endif %}ok`), 0o600)
	if out := must(t, "{\"messages\":[]}\n{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n", "tokenize", refused, "--jsonl", "--chat"); !strings.HasPrefix(out, "{\"error\":\"no messages, no chat\"}\n{\"text\":\"ok\"") {
		t.Errorf("a template that refuses: %s", out)
	}
}

func TestInfo(t *testing.T) {
	out := must(t, "", "info", fixture(t, "mamba1-half", "q8_0"), "--json", "--ctx", "100")
	var i struct {
		Architecture    string
		Layers          int
		AttentionLayers []int `json:"attention_layers"`
		Parameters      int64
		Vocab           int
		Memory          struct {
			Context int
			KVCache int64 `json:"kv_cache"`
		}
	}
	if err := json.Unmarshal([]byte(out), &i); err != nil || i.Architecture != "mambainllama" || i.Layers == 0 || len(i.AttentionLayers) == 0 || i.Memory.Context != 100 {
		t.Errorf("%s: %+v, %v", out, i, err)
	}
	f16 := i.Memory.KVCache
	out = must(t, "", "info", fixture(t, "mamba1-half", "q8_0"), "--json", "--ctx", "100", "--kv", "q8_0")
	if err := json.Unmarshal([]byte(out), &i); err != nil || i.Memory.KVCache*64 != f16*34 {
		t.Errorf("the KV cache takes %d bytes as q8_0, %d as f16, %v", i.Memory.KVCache, f16, err)
	}
	if out := must(t, "", "info", fixture(t, "pure-mamba2", "q4_k_m")); !strings.Contains(out, "mamba2") {
		t.Error(out)
	}
}
