package cmd_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

// TestConvert converts the way a shell does: without -o, lines into a pipe, a
// summary at the end.
func TestConvert(t *testing.T) {
	from, err := filepath.Abs(testutil.Data("fixtures", "mamba2-half"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	folder := filepath.Join(t.TempDir(), "models")
	convert := func(args ...string) []string { return append([]string{"convert", "--models", folder}, args...) }
	out := must(t, "", convert(from)...)
	for _, want := range []string{
		"100% output", "wrote         " + filepath.Join(folder, "mamba2-half.bin") + "\n", "name          mamba2-half, as in: mil chat mamba2-half\n",
		"architecture  mambainllama\n", " bits per weight\n",
		"fallback      q8_0 instead of q4_k, whose blocks do not fit rows of 64: ", "time ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := strings.Count(out, "%"); n > 10+8 { // the summary's types have some
		t.Errorf("too many lines:\n%s", out)
	}
	if strings.ContainsAny(out, "\r\x1b") {
		t.Errorf("escapes in a pipe: %q", out)
	}
	_, errs, err := mil(t, "", convert(from)...)
	if err == nil || !strings.Contains(err.Error(), "mamba2-half.bin: the file exists; it is only replaced with --force") || errs != "" {
		t.Errorf("again: %v, stderr %q", err, errs)
	}
	must(t, "", convert(from, "--force")...)
	must(t, "", convert("mamba2-half", "--type", "f32")...) // by its name, which the type is added to
	must(t, "", convert("mamba2-half-f32", "--type", "f16")...)
	must(t, "", convert("--type=F16", from, "-o", "here.bin")...)
	for dir, want := range map[string]string{".": "here.bin", folder: "mamba2-half-f16.bin mamba2-half-f32.bin mamba2-half.bin"} {
		entries, _ := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("files in %s: %s, want %s", dir, got, want)
		}
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"convert takes CHECKPOINT", []string{"convert"}},
		{"--type: unknown type \"q3\" (known: f32", []string{"convert", from, "--type", "q3"}},
		{"nowhere: no such file", []string{"convert", "nowhere"}},
		{"inside mil", []string{"convert", "demo"}},
	} {
		if out, errs, err := mil(t, "", c.args...); err == nil || !strings.Contains(err.Error(), c.want) || out != "" || errs != "" {
			t.Errorf("mil %q: %v, stdout %q, stderr %q", c.args, err, out, errs)
		}
	}
}
