package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const compiler = "clang-19"

// flags make PTX of a CUDA source without headers or libraries. Contraction
// stays off: kernels say where a product and a sum are fused.
var flags = []string{
	"-x", "cuda", "--cuda-device-only", "-nocudainc", "-nocudalib", "-std=c++17", "-O3",
	"-ffp-contract=off", "-Wall", "-Werror", "-Wno-unknown-cuda-version", "-mllvm", "-pragma-unroll-threshold=1000000",
}

// unit is one module: a source compiled for one architecture.
type unit struct {
	name, source string
	arch         string // 75 for sm_75
	options      []string
}

// oldest gives, by the first part of a module's name, the oldest chip with the
// instructions that its kernels use; 75 for the others.
var oldest = map[string]string{"gemm": "80", "prompt": "80", "tiles": "80", "rows": "80", "flash": "80", "wgmma": "90a"}

// units lists the modules of dir's sources. Products with several tokens at a
// time are modules of their own, so that they load only where they run.
func units(dir string) ([]unit, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.cu"))
	if err != nil {
		return nil, err
	}
	var out []unit
	for _, path := range sources {
		source := filepath.Base(path)
		name := strings.TrimSuffix(source, ".cu")
		family, _, _ := strings.Cut(name, "_")
		arch := cmp.Or(oldest[family], "75")
		u := unit{name: name, source: source, arch: arch}
		if family == "rows" {
			u.options = []string{"-Xclang", "-target-feature", "-Xclang", "+ptx74"} // hints of how much to read into the L2 cache
		}
		out = append(out, u)
		few := u
		few.name, few.options = name+"_few", append([]string{"-DFEW"}, u.options...)
		if family == "rows" || family == "matvec" && name != "matvec_any" {
			out = append(out, few)
		}
		if family == "rows" { // again with a Hopper chip's copies
			for _, u := range []unit{u, few} {
				u.arch, u.options = "90", append([]string{"-DHOPPER=1"}, slices.Replace(slices.Clone(u.options), len(u.options)-1, len(u.options), "+ptx80")...)
				out = append(out, u)
			}
		}
	}
	return out, nil
}

// file is the compiled form's name.
func (u *unit) file() string { return fmt.Sprintf("%s.sm_%s.ptx.gz", u.name, u.arch) }

func (u *unit) arguments() []string {
	return append(append(append([]string(nil), flags...), fmt.Sprintf("--cuda-gpu-arch=sm_%s", u.arch)), u.options...)
}

// digest tells the sources and flags of a unit apart from others: the source and
// the headers it includes, without their comments.
func (u *unit) digest(dir string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, u.arguments())
	names := []string{u.source}
	for i := 0; i < len(names); i++ { // what a file includes follows it
		b, err := os.ReadFile(filepath.Join(dir, names[i]))
		if err != nil {
			return "", err
		}
		b = bare(b)
		fmt.Fprintln(h, names[i], len(b))
		h.Write(b)
		for _, m := range include.FindAllSubmatch(b, -1) {
			if name := string(m[1]); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return short(h.Sum(nil)), nil
}

func short(sum []byte) string { return fmt.Sprintf("%x", sum[:16]) }

var include = regexp.MustCompile(`(?m)^#include "([^"]+)"`)

// token is a string, a character, or a comment of C++.
var token = regexp.MustCompile(`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*|(?s:/\*.*?\*/)`)

// bare is a source without comments, blanks at lines' ends and empty lines.
func bare(source []byte) []byte {
	source = token.ReplaceAllFunc(source, func(t []byte) []byte {
		if t[0] == '/' {
			return []byte{' '}
		}
		return t
	})
	var out []byte
	for line := range bytes.Lines(source) {
		if line = bytes.TrimRight(line, " \t\n"); len(line) > 0 {
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

func (u *unit) compile(dir string) ([]byte, error) {
	cmd := exec.Command(compiler, append(u.arguments(), "-S", "-o", "-", u.source)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", u.source, err, stderr.String())
	}
	return append(fmt.Appendf(nil, "// %s; go run ./cuda/kernels/gen\n", u.source), text...), nil
}

// pack compresses text, alike whenever it is done.
func pack(text []byte) []byte {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = z.Write(text) // memory takes it all
	_ = z.Close()
	return b.Bytes()
}
