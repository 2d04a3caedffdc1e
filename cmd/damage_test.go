package cmd_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
)

// Nothing is made from a model whose weights are damaged.
func TestDamagedModelMakesNothing(t *testing.T) {
	dir := t.TempDir()
	model, text := filepath.Join(dir, "model.bin"), filepath.Join(dir, "text")
	must(t, "", "convert", testutil.Data("fixtures", "llama"), "-o", model, "--type", "f32")
	b := readFile(t, model)
	damaged := []byte(b)
	damaged[len(b)-64] ^= 1
	for path, data := range map[string][]byte{model: damaged, text: []byte("some text")} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	for _, args := range [][]string{
		{"convert", model, "-o", out},
		{"imatrix", model, "-f", text, "-o", out},
		{"logits", model, "--tokens", "1", "-o", out},
	} {
		_, _, err := mil(t, "", args...)
		if !errors.Is(err, format.ErrChecksum) || !strings.Contains(err.Error(), model) || !strings.Contains(err.Error(), "make it again") {
			t.Errorf("%s: %v", args[0], err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s left a file", args[0])
		}
	}
}
