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
	out := must(t, "", "convert", from)
	for _, want := range []string{
		"100% output", "wrote         mamba2-half-q4_k_m.bin\n", "architecture  mambainllama\n", " bits per weight\n",
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
	_, errs, err := mil(t, "", "convert", from)
	if err == nil || !strings.Contains(err.Error(), "mamba2-half-q4_k_m.bin: the file exists; it is only replaced with --force") || errs != "" {
		t.Errorf("again: %v, stderr %q", err, errs)
	}
	must(t, "", "convert", "mamba2-half-q4_k_m.bin", "--type", "f32")
	must(t, "", "convert", "--force", "--type=F16", from, "-o", "mamba2-half-f32.bin")
	entries, _ := os.ReadDir(".")
	if len(entries) != 2 {
		t.Errorf("files left: %v", entries)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"convert takes CHECKPOINT", []string{"convert"}},
		{"--type: unknown type \"q3\" (known: f32", []string{"convert", from, "--type", "q3"}},
		{"nowhere: no such file", []string{"convert", "nowhere"}},
	} {
		if out, errs, err := mil(t, "", c.args...); err == nil || !strings.Contains(err.Error(), c.want) || out != "" || errs != "" {
			t.Errorf("mil %q: %v, stdout %q, stderr %q", c.args, err, out, errs)
		}
	}
}
