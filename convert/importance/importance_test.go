package importance

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// What is saved comes back, and columns never touched count as the mean does.
func TestSaveOpen(t *testing.T) {
	s := New()
	wide := make([]float32, 256)
	for i := range wide {
		wide[i] = float32(i % 5)
	}
	s.Of(4, "a.weight").Add([]float32{1, 0, -3, 0})
	s.Of(4, "a.weight").Add([]float32{1, 0, 3, 0})
	s.Of(256, "b.weight").Add(wide)
	s.Of(2, "never.weight").Add([]float32{0, 0})
	path := filepath.Join(t.TempDir(), "imatrix")
	if err := s.Save(path, "text", 512, false); err != nil {
		t.Fatal(err)
	}
	got, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Len() != 3 {
		t.Errorf("%d matrices", got.Len())
	}
	if ok, err := got.Has("a.weight", 4); !ok || err != nil {
		t.Fatalf("a.weight: %v, %v", ok, err)
	}
	in := got.Inputs("a.weight") // sums 2, 0, 18, 0; their mean where touched is 10
	for i, want := range []float32{0.2, 1, 1.8, 1} {
		if math.Abs(float64(in.Square[i]-want)) > 1e-6 {
			t.Errorf("square %d is %v, want %v", i, in.Square[i], want)
		}
	}
	if in.Cov != nil {
		t.Error("products of four columns")
	}
	in = got.Inputs("b.weight")
	var total, touched float64
	for _, v := range wide {
		if v > 0 {
			total += float64(v * v)
			touched++
		}
	}
	for _, c := range [][2]int{{1, 2}, {2, 1}, {254, 3}, {7, 7}} {
		i, j := c[0], c[1]
		want := float64(wide[i]*wide[j]) / (total / touched)
		if i != j {
			want *= together
		}
		if v := float64(in.Cov[i*quant.CovWidth+j]); math.Abs(v-want) > 1e-6 {
			t.Errorf("product %d %d is %v, want %v", i, j, v, want)
		}
	}
	for name, cols := range map[string]int{"never.weight": 2, "unknown": 9} {
		if ok, err := got.Has(name, cols); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	if _, err := got.Has("a.weight", 5); err == nil || !strings.Contains(err.Error(), "a.weight has 4 columns there and 5 in the model") {
		t.Errorf("another model's: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		kind   string
		tensor string
		dims   []uint64
		values []float32
		want   string
	}{
		"model":    {"model", "a", []uint64{1}, []float32{1}, "it is no importance matrix"},
		"empty":    {"imatrix", "a", []uint64{1}, []float32{1}, "no tensors NAME.in_sum2"},
		"negative": {"imatrix", "a.in_sum2", []uint64{2}, []float32{1, -1}, "a.in_sum2 holds -1"},
		"nan":      {"imatrix", "a.in_sum2", []uint64{2}, []float32{1, nan}, "a.in_sum2 holds NaN"},
		"experts":  {"imatrix", "a.in_sum2", []uint64{1, 2}, []float32{1, 2}, "not one row"},
	} {
		path := filepath.Join(dir, name)
		w := format.NewWriter(path, false)
		w.Set("general.type", c.kind)
		w.Add(c.tensor, quant.F32, c.dims...)
		if err := w.Begin(); err != nil {
			t.Fatal(err)
		}
		spec, _ := quant.F32.Spec()
		b := make([]byte, 4*len(c.values))
		spec.Pack(b, c.values)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(dir, "text")); err == nil {
		t.Error("a text opened")
	}
}

// No changed byte of the numbers goes unnoticed.
func TestOpenDamaged(t *testing.T) {
	s := New()
	wide := make([]float32, 256)
	for i := range wide {
		wide[i] = float32(i)
	}
	s.Of(4, "a.weight").Add([]float32{1, 0, -3, 0})
	s.Of(256, "b.weight").Add(wide)
	path := filepath.Join(t.TempDir(), "imatrix")
	if err := s.Save(path, "text", 512, false); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := format.Parse(b, path)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range f.Tensors() {
		for _, at := range []uint64{info.Offset, info.Offset + info.Size - 1} {
			b[at] ^= 2
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path); !errors.Is(err, format.ErrChecksum) || !strings.Contains(err.Error(), info.Name+" is damaged") {
				t.Errorf("%s changed: %v", info.Name, err)
			}
			b[at] ^= 2
		}
	}
}

// A part gives back every bit, and which matrices share an input; another run's,
// or one that is damaged, is none.
func TestPart(t *testing.T) {
	s := New()
	wide := make([]float32, 512)
	for i := range wide {
		wide[i] = float32(i%7) / 3
	}
	for range 3 {
		s.Of(512, "q.weight", "k.weight").Add(wide)
	}
	s.Of(5, "odd.weight").Add([]float32{1e-30, 1, 1e30, 0, 1.0 / 3})
	path := filepath.Join(t.TempDir(), "part")
	if _, ok, err := OpenPart(path, "run 1"); ok || err != nil {
		t.Fatalf("no part: %v, %v", ok, err)
	}
	if err := s.SavePart(path, "run 1"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := OpenPart(path, "run 2"); ok || err != nil {
		t.Errorf("another run's part: %v, %v", ok, err)
	}
	if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "goes on to the end") {
		t.Errorf("a part as statistics: %v", err)
	}
	got, ok, err := OpenPart(path, "run 1")
	if !ok || err != nil {
		t.Fatalf("the part: %v, %v", ok, err)
	}
	if got.Len() != 3 || got.Seen() != 1 || got.entries["q.weight"] != got.entries["k.weight"] {
		t.Errorf("%d matrices, %d inputs seen, shared %v", got.Len(), got.Seen(), got.entries["q.weight"] == got.entries["k.weight"])
	}
	for name, want := range s.entries {
		m := got.entries[name]
		if m.Count != want.Count || !slices.Equal(m.Squares, want.Squares) || !slices.Equal(m.Products, want.Products) {
			t.Errorf("%s differs", name)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/2], 0o666); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := OpenPart(path, "run 1"); ok || err == nil {
		t.Errorf("half a part: %v, %v", ok, err)
	}
}
