package format

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/mil-run/mil/quant"
)

// A disk that is full, told by the system itself: /dev/full takes no byte.
func TestDiskFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	dir := t.TempDir()
	w := NewWriter(filepath.Join(dir, "x"), false)
	w.Add("a", quant.F32, 1<<19)
	if err := w.Begin(); err != nil {
		t.Fatal(err)
	}
	w.out.Reset(full)
	_, err = w.Write(make([]byte, 1<<21))
	want := "x: the disk is full: free space there or choose another folder (the file takes 2113536 bytes)"
	if !errors.Is(err, ErrDiskFull) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := w.Finish(); err == nil {
		t.Error("it finished all the same")
	}
	only(t, dir)
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // whom permissions do not bind: be nobody on this thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	path := filepath.Join(dir, "x")
	err := NewWriter(path, true).Begin()
	if want := "write " + path + ": permission denied"; !errors.Is(err, fs.ErrPermission) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	only(t, dir)
}
