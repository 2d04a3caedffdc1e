package kernel

import (
	"unsafe"

	"github.com/mil-run/mil/quant"
)

// dots are the kernels for passes of a few tokens.
type dots struct {
	dot  map[quant.Type][]dot // by rising number of tokens
	pack func(unsafe.Pointer)
}

type dot struct {
	tokens int
	run    func(unsafe.Pointer)
}

// names are the kernels' names of the types.
var names = map[quant.Type]string{quant.F32: "F32", quant.F16: "F16", quant.BF16: "BF16", quant.Q8_0: "Q8_0",
	quant.Q4_0: "Q4_0", quant.Q4_K: "Q4_K", quant.Q5_K: "Q5_K", quant.Q6_K: "Q6_K"}

// isFloat says whether a type's activations stay float32.
func isFloat(t quant.Type) bool { return t == quant.F32 || t == quant.F16 || t == quant.BF16 }

func (d *dots) init(s *Set) {
	d.dot = map[quant.Type][]dot{}
	for t, name := range names {
		for n, suffix := range map[int]string{1: "x1", 2: "x2", 4: "x4", 8: "x8"} {
			if f := s.kernel("dot" + name + suffix); f != nil {
				d.dot[t] = append(d.dot[t], dot{n, f})
			}
		}
		for i := range d.dot[t] { // maps come in any order
			for j := i; j > 0 && d.dot[t][j].tokens < d.dot[t][j-1].tokens; j-- {
				d.dot[t][j], d.dot[t][j-1] = d.dot[t][j-1], d.dot[t][j]
			}
		}
	}
	d.pack = s.must("packDot")
}

// dotArgs is Args of c/dot.c.
type dotArgs struct {
	w            unsafe.Pointer
	stride, rows int
	blocks       int
	a            unsafe.Pointer
	out          unsafe.Pointer
	ahead        int
}

type floatDotArgs struct {
	w            unsafe.Pointer
	stride, rows int
	n            int
	a            unsafe.Pointer
	out          unsafe.Pointer
	ahead        int
}

type packArgs struct {
	x    unsafe.Pointer
	n    int
	a    unsafe.Pointer
	T, t int
	g    unsafe.Pointer
	G    int
}

// Input holds the activations of up to 16 tokens in the layouts the dots read.
// It is reused from pass to pass without allocating.
type Input struct {
	s      *Set
	float  bool
	n      int
	groups []inputGroup
	buf    []byte
	args   []packArgs // one a token, so that tokens may be packed at once
}

type inputGroup struct {
	first, tokens int
	a             []byte
}

// Plan prepares for packing tokens of n values each for weights of type t.
// Types that read the same layout share an input; see [Set.SameInput].
func (in *Input) Plan(s *Set, t quant.Type, tokens, n int) {
	in.s, in.float, in.n = s, isFloat(t), n
	in.groups = in.groups[:0]
	sizes := s.dot[t]
	total := 0
	for first := 0; first < tokens; {
		k := len(sizes) - 1
		for sizes[k].tokens > tokens-first {
			k--
		}
		g := inputGroup{first: first, tokens: sizes[k].tokens}
		in.groups = append(in.groups, g)
		first += g.tokens
		total += g.tokens * in.bytes()
	}
	if cap(in.buf) < total+64 {
		in.buf = make([]byte, total+64)
	}
	buf := in.buf[:cap(in.buf)]
	buf = buf[-int(uintptr(unsafe.Pointer(&buf[0])))&63:]
	for i := range in.groups {
		g := &in.groups[i]
		size := g.tokens * in.bytes()
		g.a = buf[:size]
		buf = buf[size:]
	}
	if len(in.args) < tokens {
		in.args = make([]packArgs, tokens)
	}
}

// bytes is the size of all a token packs to, in whole cache lines.
func (in *Input) bytes() int {
	if in.float {
		return (4*in.n + 63) &^ 63
	}
	return (in.n + 255) / 256 * 448
}

// Pack packs token t's values. Different tokens may be packed at once.
func (in *Input) Pack(t int, x []float32) {
	for i := range in.groups {
		g := &in.groups[i]
		if t >= g.first+g.tokens {
			continue
		}
		if in.float {
			g.packFloat(t-g.first, x)
			return
		}
		a := &in.args[t]
		*a = packArgs{x: unsafe.Pointer(&x[0]), n: in.n, a: unsafe.Pointer(&g.a[0]), T: g.tokens, t: t - g.first}
		in.s.pack(unsafe.Pointer(a))
		return
	}
}

// packFloat puts values in chunks of 16 between those of the other tokens, what
// is left one by one.
func (g *inputGroup) packFloat(t int, x []float32) {
	a := unsafe.Slice((*float32)(unsafe.Pointer(&g.a[0])), len(g.a)/4)
	T := g.tokens
	k := 0
	for ; k+16 <= len(x); k += 16 {
		copy(a[k*T+16*t:k*T+16*t+16], x[k:k+16])
	}
	for ; k < len(x); k++ {
		a[k*T+t] = x[k]
	}
}

// SameInput says whether types a and b read activations in the same layout.
func (s *Set) SameInput(a, b quant.Type) bool {
	if isFloat(a) != isFloat(b) || len(s.dot[a]) != len(s.dot[b]) {
		return false
	}
	for i := range s.dot[a] {
		if s.dot[a][i].tokens != s.dot[b][i].tokens {
			return false
		}
	}
	return true
}

// Worker is a thread's own memory for calls of kernels.
type Worker struct {
	dot    dotArgs
	fdot   floatDotArgs
	gemm   gemmArgs
	unp    unpackArgs
	row    rowArgs
	norm   normArgs
	attend attendArgs
	out    []float32
	tile   []byte
	rows   []unsafe.Pointer
	spare  []float32
}

// ahead is how far dots prefetch: far enough to hide memory's latency, near
// enough to stay in the second-level cache.
const ahead = 16 << 10

// chunk is how many bytes of weights are multiplied with every group of tokens
// before the next are read.
const chunk = 64 << 10

// Dot calls emit(row, sums) for rows [lo, hi) of w, where sums is the dot
// product of the row with each token of in. A row's bits do not depend on the
// number of tokens.
func (s *Set) Dot(wk *Worker, t quant.Type, w []byte, stride, lo, hi int, in *Input, emit func(first, tokens, row int, sums []float32)) {
	spec, _ := t.Spec()
	step := max(1, chunk/stride)
	for r := lo; r < hi; r += step {
		n := min(step, hi-r)
		for i := range in.groups {
			g := &in.groups[i]
			if cap(wk.out) < n*g.tokens {
				wk.out = make([]float32, n*g.tokens)
			}
			out := wk.out[:n*g.tokens]
			run := s.find(t, g.tokens)
			if in.float {
				wk.fdot = floatDotArgs{w: unsafe.Pointer(&w[r*stride]), stride: stride, rows: n, n: in.n, a: unsafe.Pointer(&g.a[0]), out: unsafe.Pointer(&out[0]), ahead: ahead}
				run(unsafe.Pointer(&wk.fdot))
			} else {
				wk.dot = dotArgs{w: unsafe.Pointer(&w[r*stride]), stride: stride, rows: n, blocks: in.n / spec.Block, a: unsafe.Pointer(&g.a[0]), out: unsafe.Pointer(&out[0]), ahead: ahead}
				run(unsafe.Pointer(&wk.dot))
			}
			for i := range n {
				emit(g.first, g.tokens, r+i, out[i*g.tokens:(i+1)*g.tokens])
			}
		}
	}
}

func (s *Set) find(t quant.Type, tokens int) func(unsafe.Pointer) {
	for _, d := range s.dot[t] {
		if d.tokens == tokens {
			return d.run
		}
	}
	panic("kernel: an input planned for another type")
}
