package cpu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

func testPool(t testing.TB, threads int) *pool {
	p := newPool(threads)
	t.Cleanup(p.close)
	return p
}

// Each covers every index once, with whole steps, loop after loop.
func TestPoolRanges(t *testing.T) {
	for threads := 1; threads <= 5; threads++ {
		p := testPool(t, threads)
		for n := range 40 {
			for _, step := range []int{1, 4, 8} {
				seen := make([]atomic.Int32, n)
				p.each(n, step, func(thread, lo, hi int) {
					if thread >= threads || lo%step != 0 || hi%step != 0 && hi != n || lo >= hi {
						t.Errorf("thread %d of %d gets %d to %d of %d by %d", thread, threads, lo, hi, n, step)
					}
					for i := lo; i < hi; i++ {
						seen[i].Add(1)
					}
				})
				for i := range seen {
					if seen[i].Load() != 1 {
						t.Fatalf("%d threads, %d by %d: index %d seen %d times", threads, n, step, i, seen[i].Load())
					}
				}
			}
		}
	}
}

// Two calls with one thread's number never run at once, since its scratch is its
// own; all of them have ended when each returns.
func TestPoolThreads(t *testing.T) {
	const threads = 4
	p := testPool(t, threads)
	var busy [threads]atomic.Int32
	var done atomic.Int32
	for range 2000 {
		done.Store(0)
		p.each(64, 1, func(thread, lo, hi int) {
			if busy[thread].Add(1) != 1 {
				t.Errorf("thread %d twice at once", thread)
			}
			done.Add(int32(hi - lo))
			busy[thread].Add(-1)
		})
		if done.Load() != 64 {
			t.Fatalf("%d of 64 done", done.Load())
		}
	}
}

// Who is slow does less: while a thread is held up in its first range, the other
// does all the rest.
func TestPoolEvensOut(t *testing.T) {
	p := testPool(t, 2)
	for slow := range 2 {
		var did [2]atomic.Int32
		p.each(64, 1, func(thread, lo, hi int) {
			if thread == slow {
				for did[1-slow].Load() < int32(64-(hi-lo)) {
					runtime.Gosched()
				}
			}
			did[thread].Add(int32(hi - lo))
		})
		if a, b := did[slow].Load(), did[1-slow].Load(); a+b != 64 || a > 8 {
			t.Errorf("the slow thread did %d units, the other %d", a, b)
		}
	}
}

// A thread that meets the hole in a mapped file that shrank raises the fault in
// the goroutine that called each, where format.Guard makes it an error; every
// thread has ended by then, and the pool still works.
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
	const threads = 4
	p := testPool(t, threads)
	for _, holes := range [][]int{{0}, {1}, {3}, {0, 1, 2, 3}} {
		var began, ended atomic.Int32
		err := format.Guard(func() {
			p.each(threads, 1, func(thread, _, _ int) {
				began.Add(1)
				defer ended.Add(1)
				for began.Load() < threads { // one range each
					runtime.Gosched()
				}
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
		if began.Load() != threads || ended.Load() != threads {
			t.Errorf("threads %v: %d began and %d ended, of %d", holes, began.Load(), ended.Load(), threads)
		}
	}
	var sum atomic.Int32
	p.each(100, 1, func(_, lo, hi int) { sum.Add(int32(hi - lo)) })
	if sum.Load() != 100 {
		t.Errorf("after the faults %d of 100 were done", sum.Load())
	}
}

// Closing ends the workers, also those asleep; a loop starts them anew.
func TestPoolClose(t *testing.T) {
	before := runtime.NumGoroutine()
	p := newPool(4)
	for _, pause := range []time.Duration{0, 5 * looking} {
		p.each(100, 1, func(int, int, int) {})
		time.Sleep(pause)
		p.close()
		p.close()
		for range 30_000 { // a goroutine is counted a moment longer than it runs
			if runtime.NumGoroutine() <= before {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
	}
}

// Workers sleep when there is nothing to do, and a loop wakes them.
func TestPoolSleeps(t *testing.T) {
	p := testPool(t, 4)
	for range 3 {
		p.each(4, 1, func(int, int, int) {})
		for begin := time.Now(); ; time.Sleep(looking) {
			asleep := 0
			for _, w := range p.workers {
				if w.asleep.Load() {
					asleep++
				}
			}
			if asleep == 3 {
				break
			}
			if time.Since(begin) > time.Minute {
				t.Fatalf("%d of 3 workers sleep", asleep)
			}
		}
		var began atomic.Int32
		p.each(4, 1, func(int, int, int) {
			for began.Add(1); began.Load() < 4; {
				runtime.Gosched()
			}
		})
	}
}

func TestPoolDoesNotAllocate(t *testing.T) {
	p := testPool(t, 2)
	f := func(int, int, int) {}
	p.each(100, 1, f)
	if n := testing.AllocsPerRun(100, func() { p.each(100, 1, f) }); n != 0 {
		t.Errorf("%v allocations a loop", n)
	}
}

func BenchmarkForkJoin(b *testing.B) {
	for _, threads := range []int{2, 4} {
		b.Run(fmt.Sprint(threads), func(b *testing.B) {
			p := testPool(b, threads)
			f := func(int, int, int) {}
			for b.Loop() {
				p.each(threads, 1, f)
			}
		})
	}
}
