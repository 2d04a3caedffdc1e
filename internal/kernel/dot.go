package kernel

import (
	"strconv"
	"strings"
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
var names = func() map[quant.Type]string {
	m := map[quant.Type]string{}
	for _, t := range quant.Types() {
		m[t] = strings.ToUpper(t.String())
	}
	return m
}()

// isFloat says whether a type's activations stay float32.
func isFloat(t quant.Type) bool { return t.Class() == quant.Float }

func (d *dots) init(s *Set) {
	d.dot = map[quant.Type][]dot{}
	for t, name := range names {
		for n := 1; n <= 8; n++ {
			if f := s.kernel("dot" + name + "x" + strconv.Itoa(n)); f != nil {
				d.dot[t] = append(d.dot[t], dot{n, f})
			}
		}
	}
	d.pack = s.must("packDot")
}

// dotArgs is Args of c/rows.h.
type dotArgs struct {
	w           unsafe.Pointer
	stride, far int
	rows        int
	blocks      int
	a           unsafe.Pointer
	out         unsafe.Pointer
	ld, part    int
	ahead       int
	begun, open unsafe.Pointer
}

type packArgs struct {
	x    unsafe.Pointer
	n    int
	a    unsafe.Pointer
	T, t int
	g    unsafe.Pointer
	G    int
}

// Input holds the activations of a pass's tokens in the layouts the dots read, in
// groups that a kernel multiplies at once. It is reused from pass to pass without
// allocating.
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
	for first := 0; first < tokens; {
		k := s.group(t, tokens-first)
		in.groups = append(in.groups, inputGroup{first: first, tokens: k})
		first += k
	}
	total := tokens * in.bytes()
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

// group is how many of the tokens that are left go through a kernel of type t
// together: about as many as in the groups behind it, since larger groups take
// less time for each token.
func (d *dots) group(t quant.Type, left int) int {
	sizes := d.dot[t]
	most := sizes[len(sizes)-1].tokens
	groups := (left + most - 1) / most
	even := (left + groups - 1) / groups
	k := 1
	for _, size := range sizes {
		if size.tokens == even {
			return even
		}
		if size.tokens <= left {
			k = size.tokens
		}
	}
	return k
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

// packFloat puts values in chunks of 16 between those of the other tokens. The
// last chunk is filled up with zeros.
func (g *inputGroup) packFloat(t int, x []float32) {
	a := unsafe.Slice((*float32)(unsafe.Pointer(&g.a[0])), len(g.a)/4)
	T := g.tokens
	for k := 0; k < len(x); k += 16 {
		to := a[k*T+16*t : k*T+16*t+16]
		clear(to[copy(to, x[k:]):])
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
	gemm   gemmArgs
	unp    unpackArgs
	row    rowArgs
	norm   normArgs
	attend attendArgs
	runs   []func(unsafe.Pointer)
	out    []float32
	kept   []float32 // sums of pieces of rows, 16 lanes each
	padded []byte
	tile   []byte
	rows   []unsafe.Pointer
	spare  []float32
}

// parts is how many parts of a matrix are read side by side (see c/rows.h).
const parts = 4

// ahead is how far, in each part, dots prefetch: the processor itself follows a
// stream no further than its page.
const ahead = 2 << 10

// chunk is how many bytes of weights are multiplied with every group of tokens
// before the next are read.
const chunk = 128 << 10

// piece is how many bytes of activations are used again from row to row: more do
// not stay in the first cache beside the weights that pass through it. Longer rows
// are multiplied piece by piece, with the sums kept. Tests have smaller ones.
// With AVX-512 two rows share what is loaded (see c/dots.h), and rows are cut only
// where they have more than two thirds more.
var piece = 24 << 10

// Dots is the number of pieces of work for [Set.Dot] in a matrix of the given rows.
func Dots(rows int) int { return rows/parts + rows%parts }

// Range is rows [Lo, Hi).
type Range struct{ Lo, Hi int }

// DotRows is the rows that pieces [lo, hi) make. A range may be empty.
func DotRows(rows, lo, hi int) (list [parts + 1]Range) {
	part := rows / parts
	for i := range parts {
		list[i] = Range{i*part + lo, i*part + min(hi, part)}
	}
	list[parts] = Range{parts*part + max(lo, part) - part, parts*part + hi - part}
	return list
}

// Dot multiplies pieces [lo, hi) of the rows of w with each token of in:
// out[token*ld+row], plus add of the same layout where that is not nil. Piece i
// is row i of each quarter of the matrix; the last ones are the rows left over.
// A row's bits do not depend on the number of tokens.
func (s *Set) Dot(wk *Worker, t quant.Type, w []byte, stride, rows, lo, hi int, in *Input, out []float32, ld int, add []float32) {
	part := rows / parts
	step := max(1, chunk/stride/parts)
	d := s.dots.plan(wk, t, in)
	for r := lo; r < min(hi, part); r += step {
		n := min(step, min(hi, part)-r)
		d.w, d.stride, d.far, d.rows = unsafe.Pointer(&w[r*stride]), stride, part*stride, n
		d.pad(wk, w[r*stride:])
		sums := d.sums(wk)
		for i := 0; len(sums) > 0; i++ {
			at := i/parts*ld + i%parts*part + r
			place(out[at:at+n], sums[:n], add, at)
			sums = sums[n:]
		}
	}
	for r := max(lo, part); r < hi; r++ { // a row left over stands for all four
		row := parts*part + r - part
		d.w, d.stride, d.far, d.rows = unsafe.Pointer(&w[row*stride]), stride, 0, 1
		d.pad(wk, w[row*stride:])
		for i, v := range d.sums(wk) {
			if i%parts == 0 {
				at := i/parts*ld + row
				place(out[at:at+1], []float32{v}, add, at)
			}
		}
	}
}

// place copies sums to out, plus the values of add.
func place(out, sums, add []float32, at int) {
	if add == nil {
		copy(out, sums)
		return
	}
	add = add[at:][:len(sums)]
	for i, v := range sums {
		out[i] = add[i] + v
	}
}

// plan is a product with all groups of an input, rows to be named.
type plan struct {
	dotArgs
	in     *Input
	tokens int
	run    []func(unsafe.Pointer) // of each group
	step   step
	tail   int            // blocks of a row behind its last whole step, which the kernel would read past
	padded unsafe.Pointer // copies of the rows' tails, each filled up to a step
}

// step is the part of a row that a kernel takes at once: a number of
// dotArgs.blocks, bytes of weights, and bytes of a token's activations.
type step struct{ blocks, weights, input int }

func (d *dots) plan(wk *Worker, t quant.Type, in *Input) plan {
	spec, _ := t.Spec()
	p := plan{dotArgs: dotArgs{blocks: in.n / spec.Block, ahead: ahead}, in: in}
	if p.step = (step{256 / spec.Block, 256 / spec.Block * spec.Bytes, 448}); in.float {
		p.step = step{16, 16 * spec.Bytes, 64}
	} else {
		p.tail = p.blocks % p.step.blocks
	}
	wk.runs = wk.runs[:0]
	for _, g := range in.groups {
		wk.runs = append(wk.runs, d.find(t, g.tokens))
		p.tokens += g.tokens
	}
	p.run = wk.runs
	return p
}

// sums multiplies rows with every token: [token][part][row]. They lie close
// together, not as far apart as results do, which would be lines of the same few
// sets of a cache.
func (p *plan) sums(wk *Worker) []float32 {
	n := parts * p.rows
	if cap(wk.out) < p.tokens*n {
		wk.out = make([]float32, p.tokens*n)
	}
	out := wk.out[:p.tokens*n]
	p.ld, p.part = 4*n, 4*p.rows
	for i := range p.in.groups {
		g := &p.in.groups[i]
		wk.dot = p.dotArgs
		wk.dot.a, wk.dot.out = unsafe.Pointer(&g.a[0]), unsafe.Pointer(&out[g.first*n])
		p.pieces(wk, p.run[i], g.tokens)
	}
	return out
}

// pieces runs wk.dot with a group of tokens, piece by piece where their
// activations are long, and with rows' tails.
func (p *plan) pieces(wk *Worker, run func(unsafe.Pointer), tokens int) {
	d, s, a := &wk.dot, &p.step, wk.dot.a
	steps := (p.blocks + s.blocks - 1) / s.blocks
	each := steps
	most := piece
	if p.in.s.Lanes == 16 {
		most += most * 2 / 3
	}
	if bytes := steps * s.input * tokens; tokens > 1 && bytes > most {
		count := (bytes + piece - 1) / piece
		each = (steps + count - 1) / count
		d.ahead = p.stride // the same columns of the next row
	}
	if each == steps && p.tail == 0 {
		run(unsafe.Pointer(d))
		return
	}
	if n := 16 * tokens * parts * p.rows; cap(wk.kept) < n {
		wk.kept = make([]float32, n)
	}
	kept := unsafe.Pointer(unsafe.SliceData(wk.kept))
	d.open = kept
	whole := p.blocks - p.tail
	for at := 0; at*s.blocks < whole; at += each {
		d.w, d.a = unsafe.Add(p.w, at*s.weights), unsafe.Add(a, at*s.input*tokens)
		if d.blocks = min(each*s.blocks, whole-at*s.blocks); at*s.blocks+d.blocks == p.blocks {
			d.open = nil
		}
		run(unsafe.Pointer(d))
		d.begun = kept
	}
	if p.tail == 0 {
		return
	}
	d.w, d.stride, d.far, d.ahead = p.padded, padded, p.rows*padded, 0
	d.a = unsafe.Add(a, whole/s.blocks*s.input*tokens)
	d.blocks, d.open = p.tail, nil
	run(unsafe.Pointer(d))
}

// padded is the size of a copy of a row's tail: a step of the largest type.
const padded = 8 * 34

// pad copies the tails of the rows, the first of them w, to a place where a whole
// step of each can be read. Rows without tails need none.
func (p *plan) pad(wk *Worker, w []byte) {
	if p.tail == 0 {
		return
	}
	if n := parts * p.rows * padded; cap(wk.padded) < n {
		wk.padded = make([]byte, n)
	}
	to := wk.padded[:parts*p.rows*padded]
	p.padded = unsafe.Pointer(&to[0])
	size := p.tail * p.step.weights / p.step.blocks
	for i := range parts {
		for r := range p.rows {
			end := i*p.far + r*p.stride + p.blocks*p.step.weights/p.step.blocks
			n := copy(to[:padded], w[end-size:end])
			clear(to[n:padded])
			to = to[padded:]
		}
	}
}

func (d *dots) find(t quant.Type, tokens int) func(unsafe.Pointer) {
	for _, k := range d.dot[t] {
		if k.tokens == tokens {
			return k.run
		}
	}
	panic("kernel: an input planned for another type")
}
