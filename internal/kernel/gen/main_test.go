package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const kernels = ".."

// Every source's generated files are those that the manifest names, made from it
// as it is.
func TestCurrent(t *testing.T) {
	list, err := sources(kernels, nil)
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	m, err := readManifest(kernels)
	if err != nil {
		t.Fatal(err)
	}
	known := 1 // the manifest
	for _, src := range list {
		now, err := digestsOf(kernels, src)
		if err != nil {
			t.Fatal(err)
		}
		files := filesOf(kernels, src)
		if want := len(targets) + 2; len(files) != want {
			t.Errorf("%s: %d generated files, want %d: run go run ./internal/kernel/gen %s", src, len(files), want, base(src))
		}
		known += len(files)
		if was := m[base(src)]; now.source != was.source {
			t.Errorf("zz_%s_* are stale: run go run ./internal/kernel/gen %s", base(src), base(src))
		} else if now.files != was.files {
			t.Errorf("zz_%s_* are not what was generated: run go run ./internal/kernel/gen %s", base(src), base(src))
		}
	}
	if len(m) != len(list) {
		t.Errorf("%s names %d sources of %d", manifestFile, len(m), len(list))
	}
	if all, _ := filepath.Glob(filepath.Join(kernels, "zz_*")); len(all) != known {
		t.Errorf("%d generated files, %d of them known: some lost their source", len(all), known)
	}
}

// some are all sources, or under -short those that compile fast.
func some(t *testing.T) []string {
	list, err := sources(kernels, nil)
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() {
		list = slices.DeleteFunc(list, func(src string) bool {
			return !slices.Contains([]string{"conv", "dot32", "norm", "pack"}, base(src))
		})
	}
	return list
}

// Where the compiler is at hand, it gives the very bytes that are committed.
func TestReproducible(t *testing.T) {
	for _, tool := range []string{clang, objdump} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here: only the sources' digests were compared", tool)
		}
	}
	for _, src := range some(t) {
		files, err := generate(src)
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range files {
			if got, err := os.ReadFile(filepath.Join(kernels, name)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s differs from what %s makes of %s (%v)", name, clang, src, err)
			}
		}
	}
}

// The AVX-VNNI and the 256-bit AVX-512 VNNI form are one program in two
// encodings: every product of bytes in the one is VEX-encoded, in the other EVEX.
func TestEncodings(t *testing.T) {
	if _, err := exec.LookPath(clang); err != nil {
		t.Skipf("no %s here", clang)
	}
	total := 0
	for _, src := range some(t) {
		count := map[string]int{}
		for _, target := range targets {
			if target.name != "avxvnni" && target.name != "vnni256" {
				continue
			}
			obj := filepath.Join(t.TempDir(), "x.o")
			args := append(append(append([]string{}, common...), target.cc...), "-c", src, "-o", obj)
			if msg, err := exec.Command(clang, args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, msg)
			}
			listing, err := disassemble(obj)
			if err != nil {
				t.Fatal(err)
			}
			fns, err := read(obj, "amd64")
			if err != nil {
				t.Fatal(err)
			}
			for _, fn := range fns {
				for _, in := range listing[fn.name] {
					if !strings.Contains(in.text, "vpdpbusd") {
						continue
					}
					count[target.name]++
					vex := fn.code[in.at] == 0xc4
					if vex != (target.name == "avxvnni") || vex != strings.HasPrefix(in.text, "{vex}") {
						t.Errorf("%s %s at %#x: %s begins with %#x", target.name, fn.name, in.at, in.text, fn.code[in.at])
					}
					// VEX.256.66.0F38.W0 50 /r
					if vex && (fn.code[in.at+1]&0x1f != 2 || fn.code[in.at+2]&0x87 != 0x05 || fn.code[in.at+3] != 0x50) {
						t.Errorf("%s at %#x: % x is no VPDPBUSD of 256 bits", fn.name, in.at, fn.code[in.at:in.at+4])
					}
				}
			}
		}
		if count["avxvnni"] != count["vnni256"] {
			t.Logf("%s: %d products in one form, %d in the other", src, count["avxvnni"], count["vnni256"])
		}
		total += count["avxvnni"]
	}
	if total == 0 {
		t.Error("no VPDPBUSD was found at all")
	}
}
