package eval

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// summing reads a text with a model of a type and keeps the sums of every input.
type summing struct {
	t     testing.TB
	e     *chat.Engine
	b     backend.Observer
	sums  map[string]*quant.Moments
	fed   int64
	calls atomic.Int64
	stop  int64 // at which call to stop, or 0
	end   func()
}

func newSumming(t testing.TB, typ string, b backend.Backend) *summing {
	f, _ := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba2"), typ)
	e, err := chat.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	s := &summing{t: t, e: e, b: b.(backend.Observer), sums: map[string]*quant.Moments{}}
	s.b.Observe(s.input)
	return s
}

func (s *summing) input(ws []*backend.Tensor, p *backend.Params) (*quant.Moments, int) {
	if s.calls.Add(1) == s.stop {
		s.end()
	}
	m := s.sums[ws[0].Name]
	if m == nil {
		m = quant.NewMoments(ws[0].Cols)
		s.sums[ws[0].Name] = m
	}
	return m, int(min(max(m.Count-s.fed-int64(p.Segments[0].Pos), 0), int64(len(p.Tokens))))
}

func (s *summing) read(text Text, from int64) error {
	session, err := s.e.Model.NewSession(s.b, model.Options{Context: 64})
	if err != nil {
		s.t.Fatal(err)
	}
	defer session.Close()
	ctx, end := context.WithCancel(context.Background())
	defer end()
	s.end = end
	return Read(ctx, text, session, from, func(fed int64) { s.fed = fed }, ignore)
}

// The kernels sum as plain Go does, of float and of quantized weights, which
// both multiply with float32 activations.
func TestSums(t *testing.T) {
	// The loss of float32 in eight layers, and of float16, which keeps keys and values
	// beside q4_k.
	near := map[string]float64{"f32": 2e-4, "q4_k": 1e-3}
	for typ := range near {
		want := newSumming(t, typ, ref.New(2))
		text := heldout(t, want.e, 400)
		if err := want.read(text, 0); err != nil {
			t.Fatal(err)
		}
		for _, set := range kernel.Sets() {
			b, err := cpu.NewISA(3, set.Name)
			if err != nil {
				t.Fatal(err)
			}
			got := newSumming(t, typ, b)
			if err := got.read(text, 0); err != nil {
				t.Fatal(err)
			}
			if len(got.sums) != len(want.sums) {
				t.Fatalf("%d inputs, want %d", len(got.sums), len(want.sums))
			}
			for name, m := range want.sums {
				sameSums(t, typ+", "+set.Name+", "+name, got.sums[name], m, near[typ])
			}
		}
	}
}

// sameSums compares sums, each to so much of its size.
func sameSums(t *testing.T, name string, got, want *quant.Moments, near float64) {
	t.Helper()
	if got.Count != want.Count || want.Count == 0 {
		t.Fatalf("%s: %d inputs, want %d", name, got.Count, want.Count)
	}
	for i, v := range want.Squares {
		if math.Abs(got.Squares[i]-v) > near*v {
			t.Fatalf("%s: squares of column %d sum to %g, want %g", name, i, got.Squares[i], v)
		}
	}
	if (got.Products == nil) != (want.Products == nil) {
		t.Fatalf("%s: products are there or not", name)
	}
	for i := range len(want.Products) / quant.CovWidth {
		first := i &^ (quant.CovWidth - 1)
		for j := first; j <= i; j++ {
			at := i*quant.CovWidth + j - first
			if d := math.Abs(float64(got.Products[at] - want.Products[at])); d > near*math.Sqrt(want.Squares[i]*want.Squares[j]) {
				t.Fatalf("%s: products of columns %d and %d sum to %g, want %g", name, i, j, got.Products[at], want.Products[at])
			}
		}
	}
}

// A reading that is stopped anywhere and goes on from what was summed ends with
// the same bits, whatever the threads.
func TestReadGoesOn(t *testing.T) {
	want := newSumming(t, "q8_0", cpu.New(1))
	text := heldout(t, want.e, 700)
	if err := want.read(text, 0); err != nil {
		t.Fatal(err)
	}
	for _, stop := range []int64{1, 7, want.calls.Load() / 2, want.calls.Load() - 1} {
		got := newSumming(t, "q8_0", cpu.New(2))
		got.stop = stop
		if err := got.read(text, 0); !errors.Is(err, ErrInterrupted) || got.calls.Load() != stop {
			t.Fatalf("stopped at input %d: %v after %d", stop, err, got.calls.Load())
		}
		got.stop = 0
		least := int64(math.MaxInt64)
		for _, m := range got.sums {
			least = min(least, m.Count)
		}
		if len(got.sums) < len(want.sums) {
			least = 0
		}
		if err := got.read(text, least); err != nil {
			t.Fatal(err)
		}
		for name, m := range want.sums {
			g := got.sums[name]
			for i, v := range m.Squares {
				if g.Squares[i] != v {
					t.Fatalf("stopped at input %d: %s: squares of column %d sum to %g, want %g", stop, name, i, g.Squares[i], v)
				}
			}
			for i := range m.Products {
				if i%quant.CovWidth <= i/quant.CovWidth%quant.CovWidth && g.Products[i] != m.Products[i] {
					t.Fatalf("stopped at input %d: %s: product %d is %g, want %g", stop, name, i, g.Products[i], m.Products[i])
				}
			}
		}
	}
}

// Reading a text as a prompt, and summing its inputs.
func BenchmarkRead(b *testing.B) {
	for _, typ := range []string{"f32", "q8_0"} {
		for _, kind := range []string{"prompt", "sums"} {
			b.Run(typ+"/"+kind, func(b *testing.B) {
				s := newSumming(b, typ, cpu.New(0))
				text := NewText(s.e.Tokenizer, heldoutBytes(b, 8000), true)
				if kind == "prompt" {
					s.b.Observe(func([]*backend.Tensor, *backend.Params) (*quant.Moments, int) { return nil, 0 })
				}
				session, err := s.e.Model.NewSession(s.b, model.Options{Context: 512})
				if err != nil {
					b.Fatal(err)
				}
				defer session.Close()
				for b.Loop() {
					clear(s.sums)
					if err := Read(context.Background(), text, session, 0, func(fed int64) { s.fed = fed }, ignore); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(len(text.IDs)*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
}
