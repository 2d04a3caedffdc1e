package format

import (
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/quant"
)

// cutFile opens a file of many pages and then cuts it.
func cutFile(t *testing.T) *File {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let a mapped file be cut")
	}
	path := filepath.Join(t.TempDir(), "model.bin")
	w := NewWriter(path, false)
	defer w.Abort()
	w.Add("a", quant.F32, 1<<18)
	if err := w.Begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := f.Verify(nil); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, PageSize+100); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGuardShrunkFile(t *testing.T) {
	f := cutFile(t)
	a, _ := f.Tensor("a")
	var sum byte
	err := Guard(func() {
		for _, b := range f.Data(a) {
			sum += b
		}
	})
	if !errors.Is(err, ErrChanged) || !strings.HasSuffix(err.Error(), "model.bin: the file changed or shrank while it was in use") {
		t.Error(err)
	}
	if err := f.Verify(nil); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	// The goroutine is as it was, and a copy by the runtime's assembly is
	// covered as well.
	dst := make([]byte, a.Size)
	if err := Guard(func() { copy(dst, f.Data(a)) }); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	if err := Guard(func() {}); err != nil {
		t.Error(err)
	}
}

func TestGuardLeavesOtherPanics(t *testing.T) {
	panics := func(f func()) (p any) {
		defer func() { p = recover() }()
		Guard(f)
		return nil
	}
	if p := panics(func() { panic("mine") }); p != "mine" {
		t.Error(p)
	}
	var none *int
	if p := panics(func() { *none = 1 }); p == nil {
		t.Error("a nil pointer went unseen")
	}
	// A fault outside every mapped file is our own mistake.
	wild := *(**byte)(unsafe.Pointer(&[]uintptr{1 << 20}[0]))
	if p := panics(func() { *wild = 1 }); p == nil {
		t.Error("a wild pointer went unseen")
	}
}

// Workers guard themselves: SetPanicOnFault holds for one goroutine only.
func TestGuardWorkers(t *testing.T) {
	f := cutFile(t)
	a, _ := f.Tensor("a")
	data := f.Data(a)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			part := data[i*len(data)/4 : (i+1)*len(data)/4]
			errs[i] = Guard(func() { crc32.Update(0, castagnoli, part) })
		})
	}
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, ErrChanged) {
			t.Errorf("worker %d: %v", i, err)
		}
	}
}

// A Writer fed from a mapped file that shrank does not blame the system call.
func TestWriteFromShrunkFile(t *testing.T) {
	f := cutFile(t)
	a, _ := f.Tensor("a")
	dir := t.TempDir()
	w := NewWriter(filepath.Join(dir, "x"), false)
	w.Add("a", a.Type, a.Dims...)
	if err := w.Begin(); err != nil {
		t.Fatal(err)
	}
	err := Guard(func() {
		if _, err := w.Write(f.Data(a)); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	w.Abort()
	only(t, dir)
}
