package cuda

import (
	"sync"
	"testing"
	"time"
)

// Calls of several goroutines come one after the other, and each finds the
// context current.
func TestDo(t *testing.T) {
	f := newFake()
	b := testOpen(t, f)
	var wg sync.WaitGroup
	calls := 0
	for range 8 {
		wg.Go(func() {
			for range 100 {
				err := b.do(func() error {
					if f.context != b.context || f.live[f.context] != "context" {
						t.Errorf("context %d is current, not %d", f.context, b.context)
					}
					calls++
					f.context = 0 // as another thread has it
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if calls != 800 {
		t.Errorf("%d calls", calls)
	}
	f.fail["CtxSetCurrent"] = 201
	if err := b.do(func() error { calls++; return nil }); err == nil || calls != 800 {
		t.Errorf("without a context: %v", err)
	}
}

// quiet is a driver that does nothing.
type quiet struct{ driver }

func (quiet) CtxSetCurrent(uintptr) error { return nil }

// The cost of a call of the driver besides itself, in a row and after pauses as
// long as a pass takes.
func BenchmarkDo(b *testing.B) {
	on := &Backend{d: quiet{}, context: 1}
	nothing := func() error { return nil }
	b.Run("in a row", func(b *testing.B) {
		for b.Loop() {
			on.do(nothing)
		}
	})
	b.Run("after a pause", func(b *testing.B) {
		var all time.Duration
		for b.Loop() {
			time.Sleep(time.Millisecond)
			start := time.Now()
			on.do(nothing)
			all += time.Since(start)
		}
		b.ReportMetric(float64(all.Nanoseconds())/float64(b.N), "ns/do")
	})
}
