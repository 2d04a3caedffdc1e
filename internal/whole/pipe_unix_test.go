//go:build unix

package whole

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A file that is not regular is written to and keeps its kind.
func TestWritePipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	// Opened for both, so that neither end waits for the other.
	r, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := Write(path, 0o600, text("through")); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Lstat(path); err != nil || st.Mode()&os.ModeNamedPipe == 0 {
		t.Fatalf("the pipe became %v, %v", st.Mode(), err)
	}
	b := make([]byte, len("through"))
	if _, err := io.ReadFull(r, b); err != nil || string(b) != "through" {
		t.Errorf("%q, %v", b, err)
	}
}
