package cmd_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/cmd"
	"github.com/mil-run/mil/internal/testutil"
)

// Something that names a model and is none is an error, whatever else is there:
// the demo never answers in its place.
func TestWhatNamesAModel(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	folder := filepath.Join(dir, "models")
	must(t, "", "convert", testutilFolder(t, "demo/draft"), "--type", "q8_0", "--models", folder)
	for _, name := range []string{"M1-3B", "Empty One", "draft-checkpoint"} {
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	os.WriteFile("draft-checkpoint/config.json", []byte("{}"), 0o600)
	os.WriteFile("weights.safetensors", []byte("x"), 0o600)
	os.WriteFile("What is 2 plus 3?", []byte("not a model"), 0o600)
	cases := []struct{ arg, want string }{
		{"M1-3B", "M1-3B is a folder, not a model file; if it holds a checkpoint, convert it first: mil convert M1-3B -o m1-3b.bin"},
		{"draft-checkpoint", "draft-checkpoint is a checkpoint folder; convert it first: mil convert draft-checkpoint -o draft-checkpoint.bin"},
		{"Empty One", "Empty One is a folder"},
		{".", ". is a folder"},
		{"NOSUCH.GGUF", "open NOSUCH.GGUF: no such file"},
		{"nosuch.BIN", "open nosuch.BIN: no such file"},
		{"nosuch.safetensors", "open nosuch.safetensors: no such file"},
		{"no/such", "open no/such: no such file"},
		{"drafft.bin", "open drafft.bin: no such file, and no model has that name; did you mean draft?"},
		{"weights.safetensors", "weights.safetensors is one file of a checkpoint; convert its folder first: mil convert ."},
		{"What is 2 plus 3?", "not a GGUF file"},
	}
	if runtime.GOOS != "windows" {
		if err := os.Symlink("gone", "dangling"); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, struct{ arg, want string }{"dangling", "open dangling: no such file: it is a link to gone, which is not there"})
	}
	for _, c := range cases {
		for _, args := range [][]string{
			{"run", c.arg, "What is 2 plus 3?"}, {"run", c.arg}, {"run", "-m", c.arg, "What is 2 plus 3?"}, {"run", c.arg, "-p", "What is 2 plus 3?"},
			{"chat", c.arg}, {"chat", c.arg, "hi"}, {"chat", "-m", c.arg}, {"info", c.arg}, {"verify", c.arg}, {"bench", c.arg}, {"eval", c.arg, "--needle"},
			{"run", "--draft", c.arg, "hi"}, {"eval", "-f", "What is 2 plus 3?", "--kl-base", c.arg}, {"logits", c.arg, "--tokens", "1"},
			{"imatrix", c.arg, "-f", "What is 2 plus 3?", "-o", "x"},
		} {
			out, errs, err := mil(t, "", append(args, "--models", folder)...)
			if err == nil || !strings.Contains(err.Error(), c.want) || cmd.Status(err) != 1 || out != "" || errs != "" {
				t.Errorf("mil %q: %v (status %d), printed %q and %q; want %q", args, err, cmd.Status(err), out, errs, c.want)
			}
		}
	}
	// A word that names nothing: in a model's place an error with the nearest name.
	for _, args := range [][]string{{"run", "drafft", "hi"}, {"chat", "drafft"}, {"info", "drafft"}, {"run", "drafft", "-f", "weights.safetensors"}, {"tokenize", "drafft", "x"}, {"convert", "drafft"}} {
		if _, _, err := mil(t, "", append(args, "--models", folder)...); err == nil || !strings.Contains(err.Error(), "did you mean draft? (mil list shows the models)") || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("mil %q: %v", args, err)
		}
	}
	if out := must(t, "", "run", "demo", "What is 2 plus 3?", "--temp", "0"); out != "2 + 3 = 5.\n" {
		t.Errorf("%q", out)
	}
	if out := must(t, "", "run", "What is 12 plus 3? a/b", "--temp", "0", "--models", folder); out == "" {
		t.Error("a prompt with a slash and spaces")
	}
}

func testutilFolder(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(testutil.Data(filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// A name stands for its model in every command, also beside the checkpoint's
// folder of the same name.
func TestNames(t *testing.T) {
	checkpoint := testutilFolder(t, "demo/draft")
	t.Chdir(t.TempDir())
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("LOCALAPPDATA", os.Getenv("XDG_DATA_HOME"))
	t.Setenv("HOME", os.Getenv("XDG_DATA_HOME"))
	must(t, "", "convert", checkpoint, "--type", "q8_0")
	if err := os.Mkdir("draft", 0o700); err != nil {
		t.Fatal(err)
	}
	os.WriteFile("text", []byte(strings.Repeat("The fox met a hare. ", 20)), 0o600)
	for _, args := range [][]string{
		{"run", "draft", "--max-tokens", "1", "hi"}, {"run", "-m", "draft", "--max-tokens", "1", "hi"}, {"info", "draft"}, {"info", "-m", "draft"}, {"verify", "draft", "demo"},
		{"tokenize", "draft", "hi"}, {"tokenize", "-m", "draft", "hi"}, {"logits", "draft", "--tokens", "1"}, {"logits", "--tokens", "1", "-m", "draft"}, {"run", "--draft", "lookup,draft", "--max-tokens", "1", "hi"},
		{"eval", "draft", "-f", "text", "--kl-base", "demo"}, {"eval", "-m", "draft", "-f", "text"}, {"imatrix", "draft", "-f", "text", "-o", "x"}, {"bench", "draft", "--prompt", "2", "--gen", "1", "--runs", "1"},
	} {
		must(t, "", args...)
	}
	if out := must(t, "hi\n", "chat", "draft", "--max-tokens", "1"); out == "" {
		t.Error("no reply")
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "models")
	if out := must(t, "", "list", "--models", folder); !strings.Contains(out, "demo") || !strings.Contains(out, "no models in "+folder+" yet") {
		t.Error(out)
	}
	must(t, "", "convert", testutilFolder(t, "fixtures/llama"), "--models", folder, "--type", "q8_0")
	must(t, "", "convert", testutilFolder(t, "fixtures/pure-mamba2"), "--models", folder, "--type", "f16")
	os.WriteFile(filepath.Join(folder, "bad.gguf"), []byte("GGUF\x1b[2J"), 0o600)
	os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("x"), 0o600)
	out := must(t, "", "list", "--models", folder)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "NAME ") || strings.Contains(out, "\x1b") {
		t.Fatalf("%q", lines)
	}
	for i, want := range [][]string{{"demo", "mambainllama", "7.88 M", "q8_0", "8192"}, {"bad", "damaged: "}, {"llama", "llama", "q8_0"}, {"pure-mamba2", "mamba2", "f16"}} {
		for _, w := range want {
			if !strings.Contains(lines[i+1], w) {
				t.Errorf("no %q in %q", w, lines[i+1])
			}
		}
	}
	if a, b := strings.Index(lines[0], "ARCHITECTURE"), strings.Index(lines[3], " llama"); a != b+1 {
		t.Errorf("columns do not line up:\n%s", out)
	}
	var list []struct {
		Name, Path, Architecture, Type, Error string
		Parameters, Bytes                     int64
		Context                               int
	}
	if err := json.Unmarshal([]byte(must(t, "", "list", "--json", "--models", folder)), &list); err != nil || len(list) != 4 {
		t.Fatalf("%+v, %v", list, err)
	}
	if l := list[2]; l.Name != "llama" || l.Path != filepath.Join(folder, "llama.bin") || l.Type != "q8_0" || l.Parameters == 0 || l.Bytes == 0 || l.Context == 0 || list[1].Error == "" {
		t.Errorf("%+v", list)
	}
}

// rm removes what has a name in the folder, asks where somebody can answer, and
// touches nothing else.
func TestRemove(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "models")
	outside := filepath.Join(dir, "outside.bin")
	write := func() {
		os.MkdirAll(folder, 0o700)
		for _, path := range []string{outside, filepath.Join(folder, "a.bin"), filepath.Join(folder, "beta.bin")} {
			os.WriteFile(path, []byte("x"), 0o600)
		}
		os.Remove(filepath.Join(folder, "link.bin"))
		os.Symlink(outside, filepath.Join(folder, "link.bin"))
	}
	left := func() (names []string) {
		entries, _ := os.ReadDir(folder)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	write()
	before := left()
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"rm"}, 2, "mil rm takes NAME"},
		{[]string{"rm", "a"}, 2, "--yes"},
		{[]string{"rm", "--yes", "../outside"}, 1, "is a path"},
		{[]string{"rm", "--yes", outside}, 1, "is a path"},
		{[]string{"rm", "--yes", "a", "nosuch"}, 1, "no model of that name"}, // and a stays
		{[]string{"rm", "--yes", "betta"}, 1, "did you mean beta?"},
		{[]string{"rm", "--yes", "demo"}, 1, "inside mil"},
		{[]string{"rm", "--yes", ""}, 1, "empty"},
	} {
		_, _, err := mil(t, "y\n", append(c.args, "--models", folder)...)
		if err == nil || cmd.Status(err) != c.status || !strings.Contains(err.Error(), c.want) {
			t.Errorf("mil %q: %v (status %d), want %q and %d", c.args, err, cmd.Status(err), c.want, c.status)
		}
	}
	if now := left(); !slices.Equal(now, before) {
		t.Errorf("left: %q of %q", now, before)
	}
	args := []string{"rm", "--yes", "a", "--models", folder}
	if len(before) == 3 { // links can be made here
		args = append(args, "link")
	}
	must(t, "", args...)
	if now := left(); !slices.Equal(now, []string{"beta.bin"}) {
		t.Errorf("left: %q", now)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error("the link's target went:", err)
	}
}

func TestVerifySeveral(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.bin")
	os.WriteFile(bad, []byte("GGUF"), 0o600)
	good := fixture(t, "llama", "q8_0")
	out, errs, err := mil(t, "", "verify", "demo", bad, good)
	if err == nil || err.Error() != "1 of 3 models cannot be used; see above" || cmd.Status(err) != 1 ||
		strings.Count(out, "all as written\n") != 2 || !strings.HasPrefix(errs, "mil: open "+bad+": ") || strings.Count(errs, "\n") != 1 {
		t.Errorf("%q, %q, %v", out, errs, err)
	}
}

// The shell completes models' names, and the values of flags.
func TestCompletion(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"m1-3b.bin", "m1-8b.gguf"} {
		os.WriteFile(filepath.Join(folder, name), nil, 0o600)
	}
	for _, c := range []struct{ args, want string }{
		{"run m1", "m1-3b m1-8b"}, {"chat ", "demo m1-3b m1-8b"}, {"verify m1-3b m1", "m1-3b m1-8b"}, {"info d", "demo"}, {"eval m1-8", "m1-8b"},
		{"rm m", "m1-3b m1-8b"}, {"convert m1-3", "m1-3b"}, {"logits m1-8", "m1-8b"}, {"imatrix m1-8", "m1-8b"}, {"tokenize m1-8", "m1-8b"}, {"bench m1-8", "m1-8b"},
		{"run --kv ", "f16 q8_0"}, {"run --backend c", "cpu cuda"}, {"info --backend ", "cpu cuda metal"}, {"run --isa g", "go"}, {"convert --type q4_k", "q4_k q4_k_m"},
		{"run --model m1-3", "m1-3b"}, {"run --draft l", "lookup"}, {"eval --kl-base m1-8", "m1-8b"}, {"run --on-full ", "stop slide"}, {"help li", "licenses list"},
	} {
		fields := strings.Split(c.args, " ")
		out, _, err := mil(t, "", append([]string{"__complete", fields[0], "--models", folder}, fields[1:]...)...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, line := range strings.Split(out, "\n") {
			if word, _, _ := strings.Cut(line, "\t"); word != "" && word[0] != ':' {
				got = append(got, word)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}
