package convert

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gate "github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/quant"
)

// fixture copies a small checkpoint into a folder of the test's.
func fixture(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS("../testdata/fixtures/"+name)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mix is a known mix.
func mix(t *testing.T, name string) quant.Mix {
	t.Helper()
	m, err := quant.ParseMix(name)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// run converts path at a type into a new file.
func run(t *testing.T, path, as string) (string, *Summary) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "model.bin")
	sum, err := Run(context.Background(), path, Options{Output: out, Type: mix(t, as)})
	if err != nil {
		t.Fatal(err)
	}
	return out, sum
}

// fails asserts that converting path fails with a line that holds all of want,
// before any progress unless late, and leaves no file.
func fails(t *testing.T, path string, late bool, want ...string) {
	t.Helper()
	dir := t.TempDir()
	o := Options{Output: filepath.Join(dir, "model.bin"), Type: mix(t, "q8_0")}
	o.Progress = func(tensor string, _, _ int64) {
		if !late {
			t.Errorf("progress at %s before the error", tensor)
		}
	}
	_, err := Run(context.Background(), path, o)
	if err == nil {
		t.Fatalf("it converted; want %q", want)
	}
	for _, w := range append(want, path) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got  %q\nwant %q", err, w)
		}
	}
	if !gate.Plain(err.Error()) {
		t.Errorf("%q is not one line", err)
	}
	left(t, dir)
}

// left asserts which files are in dir, temporary ones included.
func left(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
}

// edit changes a JSON file's top level; nil deletes a key.
func edit(t *testing.T, path string, changes map[string]any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	maps.Copy(v, changes)
	maps.DeleteFunc(v, func(_ string, v any) bool { return v == nil })
	if b, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	put(t, path, b)
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// stored is a tensor of a safetensors file.
type stored struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Span  [2]int `json:"data_offsets"`
	data  []byte
}

// retouch rewrites a safetensors file after change had its tensors.
func retouch(t *testing.T, path string, change func(map[string]*stored)) {
	t.Helper()
	tensors := load(t, path)
	change(tensors)
	var data []byte
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		s := tensors[name]
		s.Span = [2]int{len(data), len(data) + len(s.data)}
		data = append(data, s.data...)
	}
	header, err := json.Marshal(tensors)
	if err != nil {
		t.Fatal(err)
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	put(t, path, append(append(b, header...), data...))
}

// load reads a safetensors file.
func load(t *testing.T, path string) map[string]*stored {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(b)
	tensors := map[string]*stored{}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b[8:8+n], &raw); err != nil {
		t.Fatal(err)
	}
	for name, r := range raw {
		if name == "__metadata__" {
			continue
		}
		s := &stored{}
		if err := json.Unmarshal(r, s); err != nil {
			t.Fatal(err)
		}
		s.data = slices.Clone(b[8+n:][s.Span[0]:s.Span[1]])
		tensors[name] = s
	}
	return tensors
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}
