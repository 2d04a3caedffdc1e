package whole

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	for _, s := range []string{"long text", "short"} {
		if err := Write(path, 0o600, text(s)); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); string(b) != s {
			t.Errorf("%q, %v; want %q", b, err, s)
		}
	}
	full := errors.New("full")
	err := Write(path, 0o600, func(w io.Writer) error { io.WriteString(w, "half"); return full })
	if b, _ := os.ReadFile(path); string(b) != "short" || !errors.Is(err, full) || !strings.HasPrefix(err.Error(), "write "+path+": ") {
		t.Errorf("%q, %v", b, err)
	}
	for _, bad := range []string{dir, filepath.Join(dir, "none", "f")} {
		if err := Write(bad, 0o600, text("x")); err == nil || !strings.HasPrefix(err.Error(), "write "+bad+": ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}

// A link goes on pointing to the file.
func TestWriteLink(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	if err := Write(link, 0o600, text("x")); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "x" {
		t.Errorf("the file holds %q", b)
	}
}
