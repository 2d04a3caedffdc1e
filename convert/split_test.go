package convert

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
)

// parts writes a model as llama.cpp's gguf-split does, its keys in the first part.
func parts(t *testing.T, g *gguf, dir, name string, count int) []string {
	t.Helper()
	names := slices.Sorted(maps.Keys(g.tensors))
	paths := make([]string, count)
	for i := range count {
		p := &gguf{version: 3, keys: map[string]any{"split.no": uint32(i), "split.count": uint32(count), "split.tensors.count": int32(len(names))}, tensors: map[string]ggufTensor{}}
		if i == 0 {
			for k, v := range g.keys {
				if !strings.HasPrefix(k, "mil.") && k != "general.alignment" {
					p.keys[k] = v
				}
			}
		}
		for j, n := range names {
			if (i > 0 || count == 1) && j%max(count-1, 1) == max(i-1, 0) { // the first part holds no tensors
				p.tensors[n] = g.tensors[n]
			}
		}
		paths[i] = filepath.Join(dir, fmt.Sprintf("%s-%05d-of-%05d.gguf", name, i+1, count))
		p.foreign(t, paths[i], slices.Sorted(maps.Keys(p.keys))...)
	}
	return paths
}

// TestSplit opens a model in several files by any of them, and converts it into one.
func TestSplit(t *testing.T) {
	ours, _ := run(t, "../testdata/fixtures/llama", "f32")
	g := read(t, ours)
	dir := t.TempDir()
	paths := parts(t, g, dir, "m", 3)
	for _, path := range paths {
		f, err := format.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(f.Tensors()) != len(g.tensors) || !slices.Equal(f.Paths(), paths) {
			t.Errorf("%s: %d tensors of %d, files %q", path, len(f.Tensors()), len(g.tensors), f.Paths())
		}
		id, err := f.Identity()
		if err != nil || id == "" {
			t.Errorf("%s: identity %q, %v", path, id, err)
		}
		f.ReadAhead()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		out, _ := run(t, path, "f32")
		again := read(t, out)
		for name := range g.tensors {
			if !slices.Equal(again.floats(t, name), g.floats(t, name)) {
				t.Errorf("%s: %s changed", path, name)
			}
		}
		for k := range again.keys {
			if strings.HasPrefix(k, "split.") {
				t.Errorf("the one file has the key %s", k)
			}
		}
	}
	// What does not fit is named.
	other, _ := run(t, "../testdata/fixtures/mamba1-half", "f32")
	for name, c := range map[string]struct {
		spoil func(dir string, paths []string)
		want  []string
	}{
		"missing":       {func(_ string, p []string) { remove(t, p[1]) }, []string{"part m-00002-of-00003.gguf is missing"}},
		"empty":         {func(_ string, p []string) { put(t, p[1], nil) }, []string{"part m-00002-of-00003.gguf is empty"}},
		"cut":           {func(_ string, p []string) { cutFile(t, p[1]) }, []string{"m-00002-of-00003.gguf: tensor", "past the file"}},
		"twice":         {func(_ string, p []string) { copyFile(t, p[1], p[2]) }, []string{"m-00003-of-00003.gguf: key split.no is 1"}},
		"another model": {func(d string, p []string) { q := parts(t, read(t, other), d, "o", 3); copyFile(t, q[1], p[1]) }, []string{"m-00002-of-00003.gguf: key split.tensors.count"}},
		"another count": {func(d string, p []string) { q := parts(t, g, d, "o", 2); copyFile(t, q[1], p[1]) }, []string{"m-00002-of-00003.gguf: key split.count is 2"}},
		"renamed":       {func(d string, p []string) { copyFile(t, p[0], filepath.Join(d, "x.gguf")); remove(t, p[0]) }, []string{"part m-00001-of-00003.gguf is missing"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			paths := parts(t, g, dir, "m", 3)
			c.spoil(dir, paths)
			path := paths[0]
			if _, err := os.Stat(path); err != nil {
				path = paths[2]
			}
			fails(t, path, false, c.want...)
		})
	}
	x := filepath.Join(t.TempDir(), "x.gguf")
	copyFile(t, paths[0], x)
	if _, err := format.Open(x); !errors.Is(err, format.ErrSplit) || !strings.Contains(err.Error(), "one of the 3 parts of a split model") {
		t.Errorf("a part of another name: %v", err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	put(t, to, b)
}

func cutFile(t *testing.T, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, b[:len(b)-64])
}

// TestVersions reads GGUF of version 2, and names what it does not read.
func TestVersions(t *testing.T) {
	ours, _ := run(t, "../testdata/fixtures/llama", "f32")
	g := read(t, ours)
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(g.keys)), func(k string) bool { return strings.HasPrefix(k, "mil.") || k == "general.alignment" })
	path := filepath.Join(t.TempDir(), "x.gguf")
	g.version = 2
	g.foreign(t, path, keys...)
	out, _ := run(t, path, "f32")
	if again := read(t, out); len(again.tensors) != len(g.tensors) {
		t.Errorf("%d tensors of %d", len(again.tensors), len(g.tensors))
	}
	for first, want := range map[string]string{
		"GGUF\x01\x00\x00\x00": "GGUF version 1", "GGUF\x00\x00\x00\x03": "a big-endian GGUF file (version 3)", "GGUF\x04\x00\x00\x00": "GGUF version 4; versions 2 and 3 are read",
		"lmgg\x01\x00\x00\x00": "a GGML file of before GGUF", "version https://git-lfs.github.com/spec/v1\n": "a git-lfs pointer",
	} {
		put(t, path, []byte(first+strings.Repeat("\x00", 64)))
		fails(t, path, false, want)
	}
	for id, want := range map[uint32]string{16: "IQ2_XXS is not supported", 40: "NVFP4 is not supported", 21: "IQ3_S is not supported", 4000: "has type 4000, which nobody knows"} {
		x := g.tensors["blk.0.ffn_up.weight"]
		x.kind = id
		g.tensors["blk.0.ffn_up.weight"] = x
		g.foreign(t, path, keys...)
		fails(t, path, false, "tensor blk.0.ffn_up.weight", want)
	}
}
