package format

import (
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sparse is a file of n bytes, mapped.
func sparse(t *testing.T, size int64) *File {
	path := filepath.Join(t.TempDir(), "model.bin")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	f := &File{name: path, file: file}
	f.load() // refuses the zeros it holds, and has mapped them
	if f.mapping == nil {
		t.Fatal("not mapped")
	}
	return f
}

// resident counts the pages in memory.
func resident(t *testing.T, b []byte) (n int) {
	pages := make([]byte, (len(b)+os.Getpagesize()-1)/os.Getpagesize())
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		t.Fatal(errno)
	}
	for _, p := range pages {
		n += int(p & 1)
	}
	return n
}

// Read-ahead brings in every page.
func TestReadAhead(t *testing.T) {
	f := sparse(t, 3*aheadStep+5000)
	defer f.Close()
	unix.Fadvise(int(f.file.Fd()), 0, 0, unix.FADV_DONTNEED)
	pages := (len(f.mapping) + os.Getpagesize() - 1) / os.Getpagesize()
	if n := resident(t, f.mapping); n > pages/2 {
		t.Fatalf("%d of %d pages are there before", n, pages)
	}
	f.ReadAhead()
	f.ReadAhead() // a second one is none
	for begin := time.Now(); resident(t, f.mapping) < pages; time.Sleep(time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%d of %d pages are there", resident(t, f.mapping), pages)
		}
	}
}

// A file may be closed or cut while it is read ahead.
func TestReadAheadEnds(t *testing.T) {
	for range 20 {
		f := sparse(t, 2*aheadStep)
		f.ReadAhead()
		os.Truncate(f.name, 100)
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
