package importance

import (
	"errors"
	"math"
	"os"
	"path/filepath"
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
	s.Add("a.weight", []float32{1, 0, -3, 0})
	s.Add("a.weight", []float32{1, 0, 3, 0})
	s.Add("b.weight", wide)
	s.Add("never.weight", []float32{0, 0})
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
		"model":    {"model", "a", []uint64{1}, []float32{1}, "it holds no statistics"},
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
	s.Add("a.weight", []float32{1, 0, -3, 0})
	s.Add("b.weight", wide)
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
