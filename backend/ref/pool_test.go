package ref

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// A worker that meets the hole in a mapped file that shrank raises the fault in
// the goroutine that called each, where format.Guard makes it an error; every
// worker has ended by then.
func TestPoolShrunkFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let a mapped file be cut")
	}
	path := filepath.Join(t.TempDir(), "model.bin")
	w := format.NewWriter(path, false)
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
	f, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, _ := f.Tensor("a")
	data := f.Data(a)
	if err := os.Truncate(path, format.PageSize); err != nil {
		t.Fatal(err)
	}
	for _, holes := range [][]int{{0}, {1}, {3}, {0, 1, 2, 3}} {
		var began, ended atomic.Int32
		err := format.Guard(func() {
			newPool(4).each(4, 1, func(thread, _, _ int) {
				began.Add(1)
				defer ended.Add(1)
				for _, h := range holes {
					if h == thread {
						_ = append([]byte(nil), data[len(data)/2:]...)
					}
				}
			})
		})
		if want := path + ": the file changed or shrank while it was in use"; !errors.Is(err, format.ErrChanged) || err.Error() != want {
			t.Errorf("threads %v: got %v, want %s", holes, err, want)
		}
		if began.Load() != 4 || ended.Load() != 4 {
			t.Errorf("threads %v: %d began and %d ended, of 4", holes, began.Load(), ended.Load())
		}
	}
}

// Each covers every index once, with whole steps.
func TestPoolRanges(t *testing.T) {
	for threads := 1; threads <= 5; threads++ {
		for n := range 40 {
			for _, step := range []int{1, 4, 8} {
				seen := make([]atomic.Int32, n)
				newPool(threads).each(n, step, func(thread, lo, hi int) {
					if thread >= threads || lo%step != 0 || hi%step != 0 && hi != n {
						t.Errorf("thread %d of %d gets %d to %d of %d by %d", thread, threads, lo, hi, n, step)
					}
					for i := lo; i < hi; i++ {
						seen[i].Add(1)
					}
				})
				for i := range seen {
					if seen[i].Load() != 1 {
						t.Errorf("%d threads, %d by %d: index %d seen %d times", threads, n, step, i, seen[i].Load())
					}
				}
			}
		}
	}
}
