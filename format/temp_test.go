package format

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mil-run/mil/quant"
)

// A writer removes what a killed one left for the same file, and nothing that
// is being written, is of another file or is no file.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	begin := func() *Writer {
		t.Helper()
		w := NewWriter(path, true)
		t.Cleanup(w.Abort)
		w.Add("a", quant.F32, 1)
		if err := w.Begin(); err != nil {
			t.Fatal(err)
		}
		return w
	}
	keep := []string{".x.tmp-dir", ".xy.tmp-1", ".x.tmp", "x.tmp-1"}
	os.Mkdir(filepath.Join(dir, keep[0]), 0o700)
	for _, name := range append(keep[1:], ".x.tmp-left") {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := begin()
	if _, err := os.Stat(filepath.Join(dir, ".x.tmp-left")); err == nil {
		t.Error("what was left is still there")
	}
	for _, name := range keep {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	second := begin()
	for _, w := range []*Writer{first, second} {
		if _, err := w.Write(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if err := w.Finish(); err != nil {
			t.Error(err)
		}
	}
}
