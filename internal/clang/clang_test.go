//go:build unix

package clang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A compiler that is there and lacks a needed feature is passed over for an older
// name that has it, and named where none has.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	put := func(name, script string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	if _, err := Find(); err == nil || !strings.Contains(err.Error(), "there is no clang here") {
		t.Errorf("without any: %v", err)
	}
	put("clang", "echo '_Float16 is not supported on this target' >&2\nexit 1")
	if _, err := Find(); err == nil || !strings.Contains(err.Error(), "_Float16 is not supported") {
		t.Errorf("with an old one: %v", err)
	}
	put("clang-16", "exit 0")
	put("clang-19", "exit 1")
	if path, err := Find(); err != nil || filepath.Base(path) != "clang-16" {
		t.Errorf("%s, %v; want clang-16", path, err)
	}
	put("clang-19", "exit 0")
	if path, err := Find(); err != nil || filepath.Base(path) != "clang-19" {
		t.Errorf("%s, %v; want clang-19", path, err)
	}
}
