// Package clang finds a C++ compiler that can build the stand-in for Metal.
package clang

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// newest and oldest bound the versions that are looked for by name: the oldest
// one knows _Float16 on x86-64.
const newest, oldest = 30, 15

// needed is a program with all that Metal's kernels ask of a compiler for the
// processor: half precision, vectors that swizzle, atomics.
const needed = `#include <math.h>
#include <stdint.h>
typedef _Float16 half4 __attribute__((ext_vector_type(4)));
typedef float float4 __attribute__((ext_vector_type(4)));
template <typename T> T twice(T x) { return x + x; }
float sum(half4 a, float4 b) { return float(twice(a).x * _Float16(2)) + b.xy.y; }
uint32_t add(uint32_t *p) { return __atomic_fetch_add(p, 1u, __ATOMIC_RELAXED); }
`

// Find returns the newest clang here that compiles the kernels. The error
// names every compiler that was tried and why it will not do.
func Find() (string, error) {
	dir, err := os.MkdirTemp("", "clang")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	src := filepath.Join(dir, "needed.cpp")
	if err := os.WriteFile(src, []byte(needed), 0o600); err != nil {
		return "", err
	}
	var tried []string
	for _, name := range names() {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		msg, err := exec.Command(path, "-std=c++17", "-shared", "-fPIC", src, "-o", filepath.Join(dir, "needed.so"), "-lm").CombinedOutput()
		if err == nil {
			return path, nil
		}
		first, _, _ := strings.Cut(strings.TrimSpace(string(msg)), "\n")
		tried = append(tried, fmt.Sprintf("%s: %v: %s", path, err, first))
	}
	if tried == nil {
		return "", fmt.Errorf("there is no clang here; install clang %d or later", oldest)
	}
	return "", fmt.Errorf("no clang here will do; install clang %d or later (%s)", oldest, strings.Join(tried, "; "))
}

// names are commands that may be a clang, newest first.
func names() []string {
	var list []string
	for v := newest; v >= oldest; v-- {
		list = append(list, fmt.Sprintf("clang-%d", v))
	}
	return append(list, "clang")
}
