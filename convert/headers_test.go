package convert

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write testdata/written/headers.txt anew")

// Every checkpoint gets the keys of its architecture and the tensors that it
// always got, in the same order: names, shapes and the types of q4_k_m.
func TestHeaders(t *testing.T) {
	var dirs []string
	for _, pattern := range []string{"fixtures/*", "families/*", "demo/*"} {
		found, err := filepath.Glob("../testdata/" + pattern + "/expected.safetensors")
		if err != nil {
			t.Fatal(err)
		}
		if pattern == "demo/*" {
			found, err = filepath.Glob("../testdata/demo/*/config.json")
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range found {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	if len(dirs) < 18 {
		t.Fatal("only ", dirs)
	}
	var b strings.Builder
	for _, dir := range dirs {
		o := Options{Type: mix(t, "q4_k_m")}
		if _, err := os.Stat(filepath.Join(dir, "tokenizer.json")); err != nil {
			o.Tokenizer = "../testdata/fixtures/llama"
		}
		p, c, err := openFolder(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(&b, "%s\n", filepath.Base(dir))
		for _, kv := range p.pairs {
			if strings.HasPrefix(kv.key, p.config.Arch+".") {
				fmt.Fprintf(&b, "%s %T %v\n", kv.key, kv.value, kv.value)
			}
		}
		types, err := p.types(o, &Summary{Types: map[string]int64{}})
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range p.tensors {
			fmt.Fprintf(&b, "%s %v %s\n", x.name, x.dims, types[i])
		}
	}
	const path = "../testdata/written/headers.txt"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, old := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i, line := range got {
		if i >= len(old) || line != old[i] {
			t.Fatalf("headers.txt:%d: %q, want %q", i+1, line, slices.Concat(old, make([]string, i+1))[i])
		}
	}
	if len(got) != len(old) {
		t.Errorf("%d lines, want %d", len(got), len(old))
	}
}
