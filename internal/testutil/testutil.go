// Package testutil has helpers that tests of several packages share.
package testutil

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/mil-run/mil/convert"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// Data is a path in the repository's testdata.
func Data(elem ...string) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(append([]string{filepath.Dir(file), "..", "..", "testdata"}, elem...)...)
}

// Fixtures names the small random checkpoints, one for each published layout.
func Fixtures(t testing.TB) []string {
	t.Helper()
	dirs, err := os.ReadDir(Data("fixtures"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range dirs {
		names = append(names, d.Name())
	}
	if len(names) < 11 {
		t.Fatalf("only %d fixtures: %v", len(names), names)
	}
	return names
}

// Families names the small checkpoints that transformers wrote, with its logits:
// one of every family that mil runs.
func Families(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(Data("families", "*", "expected.safetensors"))
	if err != nil || len(paths) < 14 {
		t.Fatalf("only %d families (%v)", len(paths), err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(filepath.Dir(p)))
	}
	return names
}

// Checkpoints names all fixtures and families, as folders of "fixtures".
func Checkpoints(t testing.TB) []string {
	t.Helper()
	names := Fixtures(t)
	for _, name := range Families(t) {
		names = append(names, "../families/"+name)
	}
	return names
}

// Convert packs a checkpoint folder, a folder's model.bin or a GGUF file into a
// temporary file of the given mix, opens it and returns its path too. What lies in
// testdata is packed once and then written again, so that a test may change its file.
func Convert(t testing.TB, from, mix string) (*format.File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.bin")
	key := [2]string{from, mix}
	if data, ok := packed.Load(key); ok {
		if err := os.WriteFile(path, data.([]byte), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if data := pack(t, path, from, mix); strings.HasPrefix(from, Data()) {
		packed.Store(key, data)
	}
	f, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, path
}

// packed are the files of Convert, by what they were made from and their mix.
var packed sync.Map

// pack converts a checkpoint and returns the file's bytes.
func pack(t testing.TB, path, from, mix string) []byte {
	t.Helper()
	m, err := quant.ParseMix(mix)
	if err != nil {
		t.Fatal(err)
	}
	o := convert.Options{Output: path, Type: m}
	if whole := filepath.Join(from, "model.bin"); exists(whole) {
		from = whole
	} else if !exists(filepath.Join(from, "tokenizer.json")) {
		o.Tokenizer = Data("fixtures", "llama")
	}
	if _, err := convert.Run(context.Background(), from, o); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Array is a tensor of a safetensors file.
type Array struct {
	Shape []int
	F32   []float32
	I32   []int32
}

// Safetensors reads a file of F32 and I32 tensors.
func Safetensors(t testing.TB, path string) map[string]Array {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	var head map[string]struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(b[8:8+n], &head); err != nil {
		t.Fatal(err)
	}
	out := map[string]Array{}
	for name, h := range head {
		if name == "__metadata__" {
			continue
		}
		a := Array{Shape: h.Shape}
		for p := 8 + int(n) + h.Offsets[0]; p < 8+int(n)+h.Offsets[1]; p += 4 {
			v := binary.LittleEndian.Uint32(b[p:])
			if h.DType == "F32" {
				a.F32 = append(a.F32, math.Float32frombits(v))
			} else {
				a.I32 = append(a.I32, int32(v))
			}
		}
		out[name] = a
	}
	return out
}

// RelativeError is |a-b| / |b|.
func RelativeError(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	var d, n float64
	for i := range a {
		d += (float64(a[i]) - float64(b[i])) * (float64(a[i]) - float64(b[i]))
		n += float64(b[i]) * float64(b[i])
	}
	if d != d {
		return math.Inf(1)
	}
	return math.Sqrt(d / n)
}
