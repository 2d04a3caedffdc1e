package cmd_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/cmd"
	"github.com/mil-run/mil/internal/hub"
	"github.com/mil-run/mil/internal/hub/hubtest"
	"github.com/mil-run/mil/internal/testutil"
)

// hubServer imitates Hugging Face with checkpoints of ours; the models go to an
// empty folder.
func hubServer(t *testing.T) (s *hubtest.Server, models string) {
	t.Helper()
	s = hubtest.New(t)
	s.AddFolder(t, "mil/Draft-Model", testutil.Data("demo", "draft"))
	s.AddFolder(t, "mil/sharded", testutil.Data("fixtures", "mamba2-half"))
	s.AddFolder(t, "mil/mamba", testutil.Data("fixtures", "pure-mamba1"))
	t.Setenv("HF_ENDPOINT", s.URL)
	t.Setenv("HF_TOKEN", "")
	return s, filepath.Join(t.TempDir(), "models")
}

// only asserts what a folder holds.
func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, _ := os.ReadDir(dir)
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// TestPull goes from nothing to a reply.
func TestPull(t *testing.T) {
	s, models := hubServer(t)
	out := must(t, "", "pull", "mil/Draft-Model", "--type", "q8_0", "--models", models)
	for _, want := range []string{"downloaded", "name          draft-model, as in: mil chat draft-model", "wrote"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	only(t, models, "draft-model.bin")
	if out := must(t, "", "run", "draft-model", "What is 2 plus 3?", "--temp", "0", "--models", models); strings.TrimSpace(out) == "" {
		t.Error("it says nothing")
	}
	for _, r := range s.Requests("") {
		if strings.Contains(r.Path, "transcripts") || strings.Contains(r.Path, "expected") || r.Auth != "" {
			t.Errorf("asked for %s, token %q", r.Path, r.Auth)
		}
	}
	n := len(s.Requests(""))
	if _, _, err := mil(t, "", "pull", "mil/Draft-Model", "--models", models); err == nil || !strings.Contains(err.Error(), "draft-model is there already") || len(s.Requests("")) != n {
		t.Errorf("again: %v", err)
	}
	out = must(t, "", "pull", "mil/Draft-Model", "--type", "q8_0", "--models", models, "--force", "--keep")
	if !strings.Contains(out, "kept          "+filepath.Join(models, ".pull", "mil", "Draft-Model")) {
		t.Errorf("--keep: %s", out)
	}
	// What was kept is not downloaded again.
	n = len(s.Requests("/resolve/"))
	must(t, "", "pull", "mil/Draft-Model@"+hubtest.Commit, "--type", "q8_0", "--models", models, "--name", "other")
	if got := len(s.Requests("/resolve/")); got != n {
		t.Errorf("%d files were downloaded again", got-n)
	}
	only(t, models, "draft-model.bin", "other.bin")
	// Shards come by their index, safetensors and not the same weights again.
	must(t, "", "pull", "mil/sharded", "--type", "q8_0", "--models", models)
	if len(s.Requests("pytorch_model")) > 0 || len(s.Requests("model-00002-of-00002.safetensors")) == 0 {
		t.Error("not the shards")
	}
	only(t, models, "draft-model.bin", "other.bin", "sharded.bin")
}

// TestPullTokenizer takes the tokenizer of another repository.
func TestPullTokenizer(t *testing.T) {
	s, models := hubServer(t)
	delete(s.Repos["mil/mamba"], "tokenizer.json")
	_, _, err := mil(t, "", "pull", "mil/mamba", "--models", models)
	if err == nil || !strings.Contains(err.Error(), "mil/mamba has no tokenizer.json") || !strings.Contains(err.Error(), "--tokenizer OWNER/REPO") || len(s.Requests("pytorch_model.bin")) > 0 {
		t.Errorf("without: %v", err)
	}
	must(t, "", "pull", "mil/mamba", "--tokenizer", "mil/sharded", "--type", "f32", "--models", models)
	only(t, models, "mamba.bin")
}

// TestPullGGUF keeps a GGUF as it is, or converts it where a type is given.
func TestPullGGUF(t *testing.T) {
	s, models := hubServer(t)
	gguf, err := os.ReadFile(fixture(t, "llama", "q8_0"))
	if err != nil {
		t.Fatal(err)
	}
	s.Repos["mil/gguf"] = map[string][]byte{"q8/Small-Q8_0.gguf": gguf, "bad.gguf": []byte("GGUF but not"), "README.md": []byte("x")}
	out := must(t, "", "pull", "mil/gguf:q8/Small-Q8_0.gguf", "--models", models)
	if b, err := os.ReadFile(filepath.Join(models, "small-q8_0.gguf")); err != nil || !bytes.Equal(b, gguf) || !strings.Contains(out, "name          small-q8_0,") {
		t.Errorf("%v\n%s", err, out)
	}
	must(t, "", "pull", "mil/gguf:q8/Small-Q8_0.gguf", "--type", "f32", "--name", "wide", "--models", models)
	only(t, models, "small-q8_0.gguf", "wide.bin")
	for i, name := range []string{"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"} { // that fit no better than the case they are from
		b, err := os.ReadFile(testutil.Data("cases", name))
		if err != nil {
			t.Fatal(i, err)
		}
		s.Repos["mil/gguf"]["split/"+name] = b
	}
	if _, _, err := mil(t, "", "pull", "mil/gguf:split/m-00001-of-00002.gguf", "--models", models); err == nil || !strings.Contains(err.Error(), "the parts hold 1 tensors") || len(s.Requests("m-00002-of-00002.gguf")) == 0 {
		t.Errorf("parts: %v", err)
	}
	delete(s.Repos["mil/gguf"], "split/m-00001-of-00002.gguf")
	for arg, want := range map[string]string{
		"mil/gguf:split/m-00002-of-00002.gguf": "there is no split/m-00001-of-00002.gguf",
		"mil/gguf":                             "mil/gguf: it is not there: there is no config.json; it has GGUF files; name one as mil/gguf:FILE.gguf (bad.gguf, q8/Small-Q8_0.gguf)",
		"mil/gguf:no.gguf":                     "there is no no.gguf; it has bad.gguf, q8/Small-Q8_0.gguf",
		"mil/gguf:bad.gguf":                    "open ",
	} {
		if _, _, err := mil(t, "", "pull", arg, "--models", models); err == nil || !strings.Contains(err.Error(), want) || cmd.Status(err) != 1 {
			t.Errorf("%s: %v, want %q", arg, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(models, "bad.gguf")); err == nil {
		t.Error("a file that is no model has a name")
	}
}

// TestPullRefused says what is wrong before anything large is downloaded.
func TestPullRefused(t *testing.T) {
	s, models := hubServer(t)
	for family, want := range map[string]string{
		"qwen3-next": `unknown architecture "qwen3_next" (Qwen3`, "granite-h-moe": `unknown architecture "granitemoehybrid" (Granite`,
	} {
		config, err := os.ReadFile(testutil.Data("families", family, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		s.Repos["mil/"+family] = map[string][]byte{"config.json": config, "tokenizer.json": []byte("{}"), "model.safetensors": make([]byte, 5000)}
		if _, _, err := mil(t, "", "pull", "mil/"+family, "--models", models); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), models) {
			t.Errorf("%s: %v", family, err)
		}
	}
	if n := len(s.Requests("model.safetensors")); n > 0 {
		t.Errorf("weights were asked for %d times", n)
	}
	s.Repos["mil/index"] = map[string][]byte{"config.json": s.Repos["mil/sharded"]["config.json"], "mamba_config.json": s.Repos["mil/sharded"]["mamba_config.json"],
		"tokenizer.json": []byte("{}"), "model.safetensors.index.json": []byte(`{"weight_map":{"a":"../../../etc/passwd"}}`)}
	s.Repos["mil/lora"] = map[string][]byte{"adapter_config.json": []byte("{}"), "adapter_model.safetensors": []byte("x")}
	for arg, want := range map[string]string{
		"mil/index": "not a plain file name", "mil/lora": "it is an adapter (LoRA)", "mil/none": "no such repository or revision; check the spelling", "mil/sharded@v2": "has no revision v2",
	} {
		if _, _, err := mil(t, "", "pull", arg, "--models", models); err == nil || !strings.Contains(err.Error(), want) || cmd.Status(err) != 1 {
			t.Errorf("%s: %v, want %q", arg, err, want)
		}
	}
	s.Listing = func(entries []map[string]any) []map[string]any {
		for _, e := range entries {
			if l, ok := e["lfs"].(map[string]any); ok && e["path"] == "model.safetensors" {
				l["size"] = int64(1) << 60
			}
		}
		return entries
	}
	if _, _, err := mil(t, "", "pull", "mil/Draft-Model", "--models", models); !errors.Is(err, hub.ErrSpace) || !strings.Contains(err.Error(), "make room, or take another folder with --models DIR") {
		t.Errorf("more than a disk: %v", err)
	}
	s.Listing = nil
	s.Token = "hf_x"
	if _, _, err := mil(t, "", "pull", "mil/sharded", "--models", models); !errors.Is(err, hub.ErrDenied) {
		t.Errorf("gated: %v", err)
	}
	t.Setenv("HF_TOKEN", "hf_x")
	must(t, "", "pull", "mil/sharded", "--models", models)
	for _, args := range [][]string{{"pull"}, {"pull", "x"}, {"pull", "../x"}, {"pull", "a/b:x.bin"}, {"pull", "a/b", "--name", "../x"}, {"pull", "a/b", "--type", "q9"}} {
		if _, _, err := mil(t, "", args...); cmd.Status(err) != 2 {
			t.Errorf("mil %q: %v", args, err)
		}
	}
	t.Setenv("HF_ENDPOINT", "ftp://x")
	if _, _, err := mil(t, "", "pull", "a/b"); cmd.Status(err) != 2 || !strings.Contains(err.Error(), "HF_ENDPOINT") {
		t.Errorf("HF_ENDPOINT: %v", err)
	}
}

// TestPullGoesOn has a server that fails for good within the weights; the next
// pull goes on where it stopped.
func TestPullGoesOn(t *testing.T) {
	s, models := hubServer(t)
	cut := 3000
	s.Hook = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Host != strings.TrimPrefix(s.CDN.URL, "http://") || !strings.HasSuffix(r.URL.Path, "model.safetensors") {
			return false
		}
		if r.Header.Get("Range") != "" {
			w.WriteHeader(http.StatusGone)
			return true
		}
		w.Header().Set("Content-Length", "999999")
		w.Write(s.Repos["mil/Draft-Model"]["model.safetensors"][:cut])
		return true
	}
	if _, _, err := mil(t, "", "pull", "mil/Draft-Model", "--models", models, "--type", "q8_0"); err == nil || !strings.Contains(err.Error(), "status 410") {
		t.Errorf("%v", err)
	}
	s.Hook = nil
	must(t, "", "pull", "mil/Draft-Model", "--models", models, "--type", "q8_0")
	all := s.Requests("/model.safetensors")
	if last := all[len(all)-1].Range; last != "bytes=3000-" {
		t.Errorf("the last request asked for %q", last)
	}
	only(t, models, "draft-model.bin")
}
