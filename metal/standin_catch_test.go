//go:build linux

package metal

import (
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/conform"
)

// replaced is a module's text with the n-th old (from 1) made new, or all for 0.
func replaced(t *testing.T, name, old, new string, n int) string {
	t.Helper()
	_, text, _ := module(name)
	parts := strings.Split(text, old)
	if len(parts) <= max(n, 1) {
		t.Fatalf("%s has no %q number %d", name, old, n)
	}
	if n == 0 {
		return strings.Join(parts, new)
	}
	return strings.Join(parts[:n], old) + new + strings.Join(parts[n:], old)
}

// Mistakes planted in the kernels are found, and it is said where they are.
func TestStandinFindsMistakes(t *testing.T) {
	const product, norm, scan = "matmul f32 33x512", "matmul, norm, residual f32", "Mamba-2 scan, 3 heads of 5 x 7, x 3, B 3, C 3, 3 groups"
	for _, c := range []struct {
		what, run, module, old, new string
		n                           int
		want                        string
	}{
		{"none", norm, "matvec_f32", "PLACE(", "PLACE(", 1, ""},
		{"none", scan, "scan2", "PLACE(", "PLACE(", 1, ""},
		{"a sum without a barrier", scan, "scan2", "\tsync();\n", "", 1, "with no barrier between"},
		{"weights unpacked while others multiply", product, "gemm_f32", "\t\tsync();\n", "", 1, "with no barrier between"},
		{"products of weights that are not there", product, "gemm_f32", "\t\tsync();\n", "", 2, "with no barrier between"},
		{"outputs read early", product, "gemm_f32", "\tsync();\n\tfor", "\tfor", 1, "with no barrier between"},
		{"a token's factor read early", norm, "gemm_f32", "\tsync();\n\tfor (int i = tid", "\tfor (int i = tid", 1, "with no barrier between"},
		{"a token's factor written early", norm, "gemm_f32", "\tsync();\n\tUNROLL", "\tUNROLL", 1, "with no barrier between"},
		{"a barrier for some", scan, "scan2", "if (block < normed) {\n", "if (block < normed) {\n\t\tif (lane) sync();\n", 1, "wait at a barrier"},
		{"a sum of some lanes", norm, "matvec_f32", "rootOf(a, simd_sum(squares[t]))", "rootOf(a, lane > 3 ? simd_sum(squares[t]) : 0)", 1, "at operations of simdgroups"},
		{"matrices of some lanes", product, "gemm_f32", "\t\tUNROLL for (int d", "\t\tif (lane < 9) UNROLL for (int d", 1, "other operations of matrices"},
		{"a read behind the end", norm, "matvec_f32", "if (c < cols) q", "if (c <= cols) q", 1, "reads 16 bytes at 1024 of buffer(6), which has 1024"},
		{"a write before the beginning", product, "embed", "out[", "out[-1 - ", 1, "of buffer(3)"},
		{"four values at any address", product, "matvec_f32", "(x + c)", "(x + c + 1)", 1, "at an odd address"},
		{"a write to what is const", product, "embed", "\tout[", "\t((device float *)table)[", 1, "buffer(2), which has 102400 and is const"},
		{"another index", product, "embed", "[[buffer(3)]]", "[[buffer(5)]]", 1, "embed gets nothing at buffer(5)"},
		{"indices the other way round", product, "embed", "*table [[buffer(2)]], device float *out [[buffer(3)]]",
			"*table [[buffer(3)]], device float *out [[buffer(2)]]", 1, "reads 4 bytes at"},
		{"a type that is not known", product, "embed", "weight(a.kind,", "weight(a.kind + 60,", 1, "a type of weights that it does not know"},
		{"another struct", product, "embed", "int cols, kind;", "int cols, kind, more;", 1, "embed takes 12 bytes of arguments, gets 8"},
	} {
		t.Run(c.what, func(t *testing.T) {
			names := []string{"embed", "matvec_f32", "matvec_any", "gemm_f32", "scan2", "scan2_chunk", "copy", "rank"}
			units := alone(slices.DeleteFunc(names, func(name string) bool { return name == c.module })...)
			s := newStandin(t, library(t, append(units, map[string]string{c.module: replaced(t, c.module, c.old, c.new, c.n)})))
			err := caseOf(t, c.run, 1, 37).Check(newBackend(s))
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("found %v, want %q", err, c.want)
			}
		})
	}
}

// caseOf is a case of the table with passes of the given number of tokens.
func caseOf(t *testing.T, name string, tokens ...int) *conform.Case {
	t.Helper()
	for _, c := range conform.Cases() {
		if c.Name != name {
			continue
		}
		c.Passes = nil
		for _, n := range tokens {
			c.Passes = append(c.Passes, conform.Pass{Tokens: n})
		}
		return &c
	}
	t.Fatalf("there is no case %s", name)
	return nil
}

// A launch's bindings are held against its kernel's declarations.
func TestStandinChecksBindings(t *testing.T) {
	s := kernelsHere(t)
	f, err := s.function("copy")
	if err != nil {
		t.Fatal(err)
	}
	m, _ := s.allocate(4096)
	good := func() dispatch {
		d := dispatch{function: f, kernel: "copy", grid: [3]uint32{1, 1, 1}, block: [3]uint32{256, 1, 1}, args: make([]byte, 20)}
		for i := range 3 {
			d.buffers = append(d.buffers, binding{index: uint32(1 + i), memory: m, bytes: 4096})
		}
		return d
	}
	for _, c := range []struct {
		change func(d *dispatch)
		want   string
	}{
		{func(*dispatch) {}, ""},
		{func(d *dispatch) { d.buffers = d.buffers[:2] }, "gets nothing at buffer(3)"},
		{func(d *dispatch) { d.buffers = append(d.buffers, binding{index: 4, memory: m, bytes: 4}) }, "takes 3 memories, gets 4"},
		{func(d *dispatch) { d.buffers[1].index = 7 }, "gets nothing at buffer(2)"},
		{func(d *dispatch) { d.buffers[2].off = 2; d.buffers[2].bytes = 8 }, "buffer(3) is of values that lie at multiples of 4"},
		{func(d *dispatch) { d.buffers[2].bytes = 2 }, "buffer(3) holds 2 bytes"},
		{func(d *dispatch) { d.buffers[0].off = 4000 }, "is 4000+4096 of 4096 bytes"},
		{func(d *dispatch) { d.args = d.args[:16] }, "takes 20 bytes of arguments, gets 16"},
		{func(d *dispatch) { d.block[0] = 100 }, "threadgroups of [100 1 1] threads"},
	} {
		d := good()
		c.change(&d)
		err := s.run([]dispatch{d})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("found %v, want %q", err, c.want)
		}
	}
	if _, err := s.function("norn"); err == nil {
		t.Error("a kernel that is not there was found")
	}
}

// Address spaces are parts of types: text that Metal refuses does not compile here.
func TestStandinChecksAddressSpaces(t *testing.T) {
	const head = "\nkernel void planted(device float *x [[buffer(0)]], constant int &n [[buffer(1)]]) {\n\tSHARED float s[4];\n\t"
	for _, c := range []struct{ body, want string }{
		{"s[0] = x[n];", ""},
		{"threadgroup float *p = s; p[0] = x[0];", ""},
		{"threadgroup float *p = x; p[0] = 0;", "cannot initialize"},
		{"device float *p = s; p[0] = 0;", "cannot initialize"},
		{"sumGroup(1, 32, x, 0, 0);", "no matching function"},
		{"s[0] = 0; n = 1;", "const"},
	} {
		_, text, _ := module("copy")
		err := check(needClang(t), written(t, text+head+c.body+"\n}\n"))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: found %v, want %q", c.body, err, c.want)
		}
	}
	for _, f := range []string{"FN int f(int *p) {", "FN void f(int a, float (&v)[4]) {", "FN int f(thread device int *p) {"} {
		if spaces(f) == nil {
			t.Errorf("%q names the address space of what it points to", f)
		}
	}
	if err := spaces("FN int f(device const int *thread &p, int b, const thread float (&v)[4]) {"); err != nil {
		t.Error(err)
	}
}
