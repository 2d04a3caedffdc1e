package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is committed was made of the sources and flags that are there, and where
// the compiler is, it makes the same again.
func TestNothingIsStale(t *testing.T) {
	units, err := units("..")
	if err != nil || len(units) == 0 {
		t.Fatal("no sources", err)
	}
	_, err = exec.LookPath(compiler)
	compiles := err == nil
	if !compiles {
		t.Logf("no %s here: digests only", compiler)
	}
	modules, err := readManifest("..")
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for n, u := range units {
		made[u.file()] = true
		have, err := unpack(filepath.Join("..", u.file()))
		if err != nil {
			t.Error(err)
			continue
		}
		digest, err := u.digest("..")
		if err != nil {
			t.Fatal(err)
		}
		if modules[u.heading()] != u.entries(digest, have) {
			t.Errorf("%s is stale: go run ./cuda/kernels/gen %s", u.file(), u.name)
			continue
		}
		delete(modules, u.heading())
		if !compiles || testing.Short() && n%8 > 0 {
			continue
		}
		want, err := u.compile("..")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s differs from what %s makes: go run ./cuda/kernels/gen %s", u.file(), compiler, u.name)
		}
	}
	for heading := range modules {
		t.Errorf("%s lists %s, which has no source or is stale", manifestFile, heading)
	}
	files, _ := filepath.Glob("../*.ptx.gz")
	for _, f := range files {
		if !made[filepath.Base(f)] {
			t.Errorf("%s has no source", f)
		}
	}
}

// A comment changes no digest, anything else does.
func TestDigestIgnoresComments(t *testing.T) {
	dir := t.TempDir()
	digest := func(source, header string) string {
		for name, text := range map[string]string{"a.cu": source, "b.h": header} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		u := unit{name: "a", source: "a.cu", arch: "75"}
		d, err := u.digest(dir)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	const source, header = "#include \"b.h\"\nint a; // one\nchar q = '\"';\n", "/* two */ int b;\n\nasm(\"// wait;\");\n"
	plain := digest(source, header)
	for _, same := range [][2]string{
		{"// new\n" + strings.Replace(source, "one", "two", 1), header},
		{source, strings.Replace(header, "two", "three\n\n", 1)},
	} {
		if digest(same[0], same[1]) != plain {
			t.Errorf("a comment changes the digest of %q", same)
		}
	}
	for _, other := range [][2]string{
		{strings.Replace(source, "a;", "c;", 1), header}, {source, strings.Replace(header, "b;", "c;", 1)}, {source, strings.Replace(header, "wait", "go", 1)},
	} {
		if digest(other[0], other[1]) == plain {
			t.Errorf("the digest of %q is that of other code", other)
		}
	}
}

func unpack(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
