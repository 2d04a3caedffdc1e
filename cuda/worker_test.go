package cuda

import (
	"testing"
	"time"
)

// What a call of the driver costs besides itself, in a row and after pauses as
// long as a pass takes.
func BenchmarkDo(b *testing.B) {
	w := newWorker()
	defer w.stop()
	nothing := func() error { return nil }
	b.Run("in a row", func(b *testing.B) {
		for b.Loop() {
			w.do(nothing)
		}
	})
	b.Run("after a pause", func(b *testing.B) {
		var all time.Duration
		for b.Loop() {
			time.Sleep(time.Millisecond)
			start := time.Now()
			w.do(nothing)
			all += time.Since(start)
		}
		b.ReportMetric(float64(all.Nanoseconds())/float64(b.N), "ns/do")
	})
}
