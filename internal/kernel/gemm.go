package kernel

import (
	"unsafe"

	"github.com/mil-run/mil/quant"
)

// gemms are the kernels for prompts.
type gemms struct {
	unpack    map[quant.Type]func(unsafe.Pointer)
	multiply  map[quant.Type]func(unsafe.Pointer)
	packGemm  func(unsafe.Pointer)
	packGemmF func(unsafe.Pointer)
}

func (g *gemms) init(s *Set) {
	g.unpack, g.multiply = map[quant.Type]func(unsafe.Pointer){}, map[quant.Type]func(unsafe.Pointer){}
	for t, name := range names {
		g.unpack[t] = s.must("unpack" + name)
		g.multiply[t] = s.must(tiles[t.Class()].kernel)
	}
	g.packGemm, g.packGemmF = s.must("packGemm"), s.must("packGemmF")
}

// tiles are how weights of a class are laid out for products of tiles: the kernel
// that reads them, and the size of 32 columns (of one, for floats) in vectors.
var tiles = map[quant.Class]struct {
	kernel  string
	vectors int
}{
	quant.Float:    {"gemmF", 2},
	quant.Signed32: {"gemmS", 18},
	quant.Offset32: {"gemmM", 20},
	quant.Signed16: {"gemmH", 20},
	quant.Offset16: {"gemmN", 24},
}

// gemmArgs is GemmArgs of c/group.h.
type gemmArgs struct {
	tile   unsafe.Pointer
	blocks int
	a      unsafe.Pointer
	groups int
	groupA int
	out    unsafe.Pointer
	ld     int
	add    unsafe.Pointer
	next   unsafe.Pointer
	step   int
}

// unpackArgs is Args of c/unpack.c and UnpackArgs of c/float.c.
type unpackArgs struct {
	row    unsafe.Pointer
	blocks int
	tile   unsafe.Pointer
}

type floatPackArgs struct {
	x unsafe.Pointer
	n int
	g unsafe.Pointer
	t int
}

// Batch holds the activations of a prompt's tokens in groups, in the layout
// that products of tiles read. It is reused from pass to pass.
type Batch struct {
	s      *Set
	float  bool
	n      int
	tokens int
	stride int // bytes of a group
	buf    []byte
	a      []byte
	args   []packArgs
	fargs  []floatPackArgs
}

// Plan prepares b to pack the given number of tokens, of n values each, for weights of type t.
func (b *Batch) Plan(s *Set, t quant.Type, tokens, n int) {
	b.s, b.float, b.n, b.tokens = s, isFloat(t), n, tokens
	if b.float {
		b.stride = 4 * s.Group * n
	} else {
		b.stride = 52 * s.Group * (n / 32)
	}
	groups := (tokens + s.Group - 1) / s.Group
	if size := groups*b.stride + 64; cap(b.buf) < size {
		b.buf = make([]byte, size)
	}
	buf := b.buf[:cap(b.buf)]
	b.a = buf[-int(uintptr(unsafe.Pointer(&buf[0])))&63:][:groups*b.stride]
	if len(b.args) < groups*s.Group {
		b.args = make([]packArgs, groups*s.Group)
		b.fargs = make([]floatPackArgs, groups*s.Group)
	}
}

// SameBatch says whether types a and b read prompts in the same layout.
func SameBatch(a, b quant.Type) bool { return isFloat(a) == isFloat(b) }

// Pack packs token t's values. Different tokens may be packed at once. The
// unused places of the last group keep old values, and nobody reads their
// products.
func (b *Batch) Pack(t int, x []float32) {
	G := b.s.Group
	g := unsafe.Pointer(&b.a[t/G*b.stride])
	if b.float {
		b.fargs[t] = floatPackArgs{x: unsafe.Pointer(&x[0]), n: b.n, g: g, t: t % G}
		b.s.packGemmF(unsafe.Pointer(&b.fargs[t]))
		return
	}
	b.args[t] = packArgs{x: unsafe.Pointer(&x[0]), n: b.n, g: g, G: G, t: t % G}
	b.s.packGemm(unsafe.Pointer(&b.args[t]))
}

// From is the batch without its first tokens, up to first, the beginning of the
// group that token t is in.
func (b *Batch) From(t int) (rest Batch, first int) {
	rest, first = *b, t/b.s.Group*b.s.Group
	rest.a, rest.tokens = b.a[t/b.s.Group*b.stride:], b.tokens-first
	return rest, first
}

// TileRows is how many rows of weights are unpacked and multiplied together.
func (s *Set) TileRows() int { return 2 * s.Lanes }

// blockBytes is the size of 32 columns (or of one, for float types) of a tile.
func (s *Set) blockBytes(t quant.Type) int { return 4 * s.Lanes * tiles[t.Class()].vectors }

// Gemm multiplies rows [lo, hi) of w with every token of b: out[token*ld+row],
// plus add of the same layout where that is not nil.
func (s *Set) Gemm(wk *Worker, t quant.Type, w []byte, stride, lo, hi int, b *Batch, out []float32, ld int, add []float32) {
	R := s.TileRows()
	columns := b.n
	if !b.float {
		columns /= 32
	}
	block := s.blockBytes(t)
	if need := (columns+1)*block + 64; cap(wk.tile) < need {
		wk.tile = make([]byte, need)
	}
	if len(wk.rows) < R {
		wk.rows = make([]unsafe.Pointer, R)
		wk.spare = make([]float32, s.Group*R*2)
	}
	buf := wk.tile[:cap(wk.tile)]
	tile := buf[-int(uintptr(unsafe.Pointer(&buf[0])))&63:]
	spec, _ := t.Spec()
	whole := b.tokens / s.Group
	for r := lo; r < hi; r += R {
		n := min(R, hi-r)
		for i := range R { // rows past the end repeat the last
			wk.rows[i] = unsafe.Pointer(&w[(r+min(i, n-1))*stride])
		}
		for g := range 2 {
			wk.unp = unpackArgs{row: unsafe.Pointer(&wk.rows[g*s.Lanes]), blocks: b.n / spec.Block, tile: unsafe.Pointer(&tile[g*4*s.Lanes])}
			s.unpack[t](unsafe.Pointer(&wk.unp))
		}
		wk.gemm = gemmArgs{tile: unsafe.Pointer(&tile[0]), blocks: columns, groupA: b.stride, ld: 4 * ld, next: unsafe.Pointer(&w[r*stride])}
		groups := 0
		if n == R {
			groups = whole
		}
		if groups > 0 {
			// The next tile comes from memory while this one is multiplied.
			if after := len(w) - (r+R)*stride; after > 0 {
				wk.gemm.next = unsafe.Pointer(&w[(r+R)*stride])
				wk.gemm.step = min(64, (min(after, R*stride)+groups*columns-1)/(groups*columns))
			}
			wk.gemm.a, wk.gemm.groups, wk.gemm.out = unsafe.Pointer(&b.a[0]), groups, unsafe.Pointer(&out[r])
			if add != nil {
				wk.gemm.add = unsafe.Pointer(&add[r])
			}
			s.multiply[t](unsafe.Pointer(&wk.gemm))
		}
		// Rows that do not fill a tile or a group go through spare memory.
		for first := groups * s.Group; first < b.tokens; first += s.Group {
			wk.gemm.a, wk.gemm.groups, wk.gemm.out = unsafe.Pointer(&b.a[first/s.Group*b.stride]), 1, unsafe.Pointer(&wk.spare[0])
			wk.gemm.ld, wk.gemm.add, wk.gemm.step = 4*R, nil, 0
			s.multiply[t](unsafe.Pointer(&wk.gemm))
			for i := range min(s.Group, b.tokens-first) {
				at := (first+i)*ld + r
				row := wk.spare[i*R : i*R+n]
				if add == nil {
					copy(out[at:at+n], row)
					continue
				}
				for j, v := range row {
					out[at+j] = add[at+j] + v
				}
			}
		}
	}
}
