package probe

import (
	"testing"
	"time"

	"github.com/mil-run/mil/internal/kernel"
)

func TestProbe(t *testing.T) {
	for _, s := range append(kernel.Sets(), nil) {
		name := "go"
		if s != nil {
			name = s.Name
		}
		m := New(2, s)
		data := make([]byte, 8<<20+100)
		m.Learn(data)
		read, multiply := float64(len(data))/m.Read(data).Seconds(), m.Multiply(0)
		if !(read > 0 && read < 1e13 && multiply > 0 && multiply < 1e15) { // however busy the machine is
			t.Errorf("%s: reads %g bytes and makes %g multiply-adds a second", name, read, multiply)
		}
	}
}

// A fault of a thread reaches the caller.
func TestFault(t *testing.T) {
	defer func() {
		if r := recover(); r != "hole" {
			t.Errorf("raised %v", r)
		}
	}()
	New(2, nil).all(func(*kernel.Probes) { panic("hole") })
}

func BenchmarkProbe(b *testing.B) {
	for _, s := range append(kernel.Sets(), nil) {
		name := "go"
		if s != nil {
			name = s.Name
		}
		b.Run(name, func(b *testing.B) {
			m := New(2, s)
			data := make([]byte, 1<<30)
			for i := 0; i < len(data); i += 4096 {
				data[i] = 1
			}
			var read, multiply float64
			for b.Loop() {
				m.Learn(data)
				read = max(read, float64(len(data))/m.Read(data).Seconds())
				multiply = max(multiply, m.Multiply(100*time.Millisecond))
			}
			b.ReportMetric(read/1e9, "GB/s")
			b.ReportMetric(multiply/1e9, "GMAC/s")
		})
	}
}
