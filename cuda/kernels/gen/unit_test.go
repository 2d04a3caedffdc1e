package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	made := map[string]bool{}
	for _, u := range units {
		made[u.file()] = true
		have, err := unpack(filepath.Join("..", u.file()))
		if err != nil {
			t.Error(err)
			continue
		}
		head, err := u.header("..")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(have, []byte(head)) {
			t.Errorf("%s is stale: go run ./cuda/kernels/gen %s", u.file(), u.name)
			continue
		}
		if !compiles {
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
	files, _ := filepath.Glob("../*.ptx.gz")
	for _, f := range files {
		if !made[filepath.Base(f)] {
			t.Errorf("%s has no source", f)
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
