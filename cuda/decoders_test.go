//go:build linux

package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/mil-run/mil/internal/clang"
	"github.com/mil-run/mil/quant"
)

// hostCommon stands in for common.h on the processor, beside functions that are
// taken from there.
const hostCommon = `#pragma once
typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
#define DEVICE static inline
static inline float bits(u32 v) { return __builtin_bit_cast(float, v); }
static inline float f16(u16 h) { return (float)__builtin_bit_cast(_Float16, h); }
static inline float bf16(u16 h) { return bits((u32)h << 16); }
static inline u32 half(const void *p) { u16 v; __builtin_memcpy(&v, p, 2); return v; }
static inline void trap() { __builtin_trap(); }
static inline u32 permute(u32 a, u32 b, u32 select) {
	unsigned long long both = a | (unsigned long long)b << 32;
	u32 r = 0;
	for (int i = 0; i < 4; i++) r |= (u32)(both >> (select >> 4 * i & 7) * 8 & 255) << 8 * i;
	return r;
}
`

const hostMain = `#include "levels.h"
template <class Type> static int decode(float *out, const u8 *row, int n) {
	for (int i = 0; i < n; i++) {
		Eight e = Type::eight(row + i / Type::block * Type::bytes, i % Type::block & ~7);
		out[i] = (float)(i8)((i % 8 < 4 ? e.a : e.b) >> i % 4 * 8) * e.scale;
		if (Type::shifted) out[i] += e.shift;
	}
	return 1;
}
extern "C" int rowSize(int type, int cols) { return rowBytes(type, cols); }
extern "C" void slow(int type, float *out, const u8 *row, int n) {
	for (int i = 0; i < n; i++) out[i] = weight(type, row, i);
}
extern "C" int fast(int type, float *out, const u8 *row, int n) {
	switch (type) {
CASES
	}
	return 0;
}
`

// The kernels' decoders of every type, compiled for the processor, give the bits of
// quant's on blocks of random bytes: one element at a time, and eight of the types
// that have that.
func TestDecoders(t *testing.T) {
	compiler, err := clang.Find()
	if err != nil {
		if os.Getenv("MIL_NEED_CLANG") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	lib := decoders(t, compiler)
	var rowSize func(kind int32, cols int32) int32
	var slow func(kind int32, out, row unsafe.Pointer, n int32)
	var fast func(kind int32, out, row unsafe.Pointer, n int32) int32
	purego.RegisterLibFunc(&rowSize, lib, "rowSize")
	purego.RegisterLibFunc(&slow, lib, "slow")
	purego.RegisterLibFunc(&fast, lib, "fast")
	r := rand.New(rand.NewPCG(5, 1))
	for _, typ := range quant.Types() {
		const n = 512
		s, _ := typ.Spec()
		if got := rowSize(int32(typ), n); int(got) != s.RowBytes(n) {
			t.Errorf("%s: a row of %d has %d bytes, want %d", s.Name, n, got, s.RowBytes(n))
			continue
		}
		row, want, got := make([]byte, s.RowBytes(n)), make([]float32, n), make([]float32, n)
		for range 100 {
			for i := range row {
				row[i] = byte(r.Uint32())
			}
			s.Unpack(want, row)
			slow(int32(typ), unsafe.Pointer(&got[0]), unsafe.Pointer(&row[0]), n)
			same(t, s.Name+", one at a time", got, want)
			if fast(int32(typ), unsafe.Pointer(&got[0]), unsafe.Pointer(&row[0]), n) == 1 {
				same(t, s.Name+", eight at a time", got, want)
			} else if s.Block > 1 && pitches[typ] == 0 {
				t.Fatalf("%s has no decoder", s.Name)
			}
		}
	}
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i, v := range want {
		if math.Float32bits(got[i]) != math.Float32bits(v) && (v == v || got[i] == got[i]) {
			t.Fatalf("%s: value %d is %v, want %v", what, i, got[i], v)
		}
	}
}

// decoders builds types.h and levels.h for the processor.
func decoders(t *testing.T, compiler string) uintptr {
	t.Helper()
	dir := t.TempDir()
	read := func(name string) string {
		b, err := os.ReadFile("kernels/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	common := hostCommon
	for _, pattern := range []string{`(?s)DEVICE void scaleMin\(.*?\n}\n`, `DEVICE u32 word\(.*\n`} {
		f := regexp.MustCompile(pattern).FindString(read("common.h"))
		if f == "" {
			t.Fatalf("common.h has no %s", pattern)
		}
		common += f
	}
	var cases strings.Builder
	kernels, err := filepath.Glob("kernels/matvec_*.cu")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range kernels {
		if m := regexp.MustCompile(`LEVELS\((\w+), (\w+)\)`).FindStringSubmatch(read(filepath.Base(k))); m != nil {
			typ, err := quant.Parse(m[1])
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&cases, "\tcase %d: return decode<%s>(out, row, n);\n", typ, m[2])
		}
	}
	for name, text := range map[string]string{
		"common.h": common, "types.h": read("types.h"), "levels.h": read("levels.h"), "main.cpp": strings.Replace(hostMain, "CASES\n", cases.String(), 1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "decoders.so")
	args := []string{"-std=c++17", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-o", out, filepath.Join(dir, "main.cpp")}
	if b, err := osexec.Command(compiler, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	lib, err := purego.Dlopen(out, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}
