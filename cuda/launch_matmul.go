package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/quant"
)

const (
	warps          = 4   // rows of a block of a matrix-vector product
	prepareThreads = 256 // of a block of prepare
	mostRows       = 8   // tokens of one launch's block
	lightRows      = 4   // those of light types, where there are several
	maxMatrix      = 4   // matrices of one launch
)

// form is the layout in which a fast product takes its activations, those of few
// rows or not, and whether there is one for these columns: others go element by
// element.
func (pl *planner) form(t *backend.Tensor, few bool) (f int32, fast bool) {
	if few && pitches[t.Type] > 0 && pl.Chip.Level >= tensorCores && pl.Chip.Shared >= tileShared && t.Cols%stepCols == 0 && t.Rows >= 2*tallRows {
		return formTile, true
	}
	switch {
	case t.Type.Class() == quant.Float:
		return formFloat, t.Cols%8 == 0
	case t.Type != quant.Q8_0:
		return formInt8, true
	case t.Cols%256 == 0:
		return formInt8Q8, true
	}
	return formFloat, false
}

// light reports whether a quantized type is of those met less often: no kernels
// for tensor cores with few tokens, and others in fewer sizes.
func light(t quant.Type) bool { return t.Class() != quant.Float && pitches[t] == 0 }

// product is one launch of rows of one type.
type product struct {
	in     backend.Slice
	norm   *backend.Norm
	head   bool
	few    bool
	tokens int // rows of in, at most
	form   int32
	tiles  bool // tensor cores, many tokens
	wgmma  bool // a Hopper chip's warpgroups
}

// prepared is an input in the form that a product takes, normalized where norm
// is set: for all tokens, or those that logits are wanted of.
type prepared struct {
	in   backend.Slice
	norm *backend.Norm
	form int32
	head bool
	side int // which of the areas
	to   quantizedArgs
}

// is reports whether a product takes the prepared input. tokens is the number in
// the pass.
func (p *prepared) is(x product, tokens int) bool {
	return p.in == x.in && p.norm == x.norm && p.form == x.form && (p.head == x.head || tokens == 1)
}

// room makes room for a product's input.
func (pl *planner) room(x product) *prepared {
	width, tokens := x.in.N, x.tokens
	p := prepared{in: x.in, norm: x.norm, form: x.form, head: x.head, to: quantizedArgs{form: x.form, blocks: int32(width / 32)}}
	if pl.P.Logged {
		p.side = 1 - pl.ready.side
	}
	var bytes int
	switch x.form {
	case formFloat:
		bytes = (width + 3) &^ 3 * 4
	case formBF16:
		bytes = 2 * width
	case formInt8, formTile:
		bytes = width
	case formInt8Q8:
		bytes = width / 32 * 34
	}
	p.to.stride = int32(bytes)
	if x.form == formTile {
		p.to.stride = slots(tokens)
		tokens = held(tokens)
	}
	p.to.out = pl.Reserve(areaInput+p.side, bytes*tokens)
	if x.form == formInt8 || x.form == formInt8Q8 || x.form == formTile {
		p.to.scales = pl.Reserve(areaScales+p.side, tokens*width/32*8)
	}
	pl.ready = p
	return &pl.ready
}

// squares is where a prepared value's norm has its sums, none where the value is
// normalized.
func (pl *planner) squares(p *prepared) ref {
	if p.norm == nil || p.form != formTile {
		return ref{}
	}
	return pl.Reserve(areaSquares+p.side, pl.Tokens*int(p.to.blocks)*4)
}

// input gives the activations' memory and the values (of float32; else the
// bytes) from token to token, preparing them where that has not been done.
func (pl *planner) input(x product) (at ref, stride int32) {
	if x.form == formFloat && x.norm == nil && !x.head {
		at, stride = pl.Slice(x.in)
		if at.Off%16 == 0 && stride%4 == 0 {
			return at, stride
		}
	}
	if x.wgmma {
		return pl.spread(x), 0
	}
	stride = int32(x.in.N)
	switch x.form {
	case formFloat:
		stride = (stride + 3) &^ 3
	case formInt8Q8:
		stride = stride / 32 * 34
	}
	if pl.ready.is(x, pl.Tokens) {
		return pl.ready.to.out, stride
	}
	r := pl.room(x)
	a := prepareArgs{to: r.to, params: pl.Block(), squares: pl.squares(r), cols: int32(x.in.N), tokens: int32(pl.Tokens), head: gpu.Bit(x.head)}
	a.x, a.xStride = pl.Slice(x.in)
	if x.norm != nil {
		a.weight, a.eps = gpu.OfTensor(x.norm.Weight), x.norm.Eps
	}
	// Of few rows a block takes as few columns as it has threads.
	a.share = prepareThreads
	if !x.few {
		a.share = int32(gpu.Ceil(x.in.N, 32) * 32)
	}
	pl.Launch("prepare", [3]int{gpu.Ceil(x.in.N, int(a.share)), x.tokens, 1}, prepareThreads, a)
	return r.to.out, stride
}

// quantized is where the node that writes v should also leave it as int8, when
// the next node multiplies it so, and the norm it multiplies it by first, if the
// writer can; the form is formFloat when not.
func (pl *planner) quantized(v backend.Value, norms bool) (quantizedArgs, *backend.Norm) {
	if pl.At+1 == len(pl.P.Nodes) || !pl.P.Logged {
		return quantizedArgs{}, nil
	}
	var in backend.Slice
	var norm *backend.Norm
	var w *backend.Tensor
	switch n := pl.P.Nodes[pl.At+1].(type) {
	case *backend.MatMul:
		in, norm, w = n.In, n.Norm, n.W[0]
	case *backend.GateUp:
		if in, norm, w = n.In, n.Norm, n.Gate; n.Up.Type != w.Type {
			return quantizedArgs{}, nil
		}
	case *backend.Logits:
		if in, norm, w = n.In, n.Norm, n.W; pl.Tokens > 1 {
			return quantizedArgs{}, nil
		}
	default:
		return quantizedArgs{}, nil
	}
	f, _ := pl.form(w, true)
	x := product{in: in, norm: norm, few: true, tokens: pl.Tokens, form: f}
	if in.V != v || in.N != pl.P.Widths[v] || in.N%32 != 0 || f == formFloat || norm != nil && !(norms && f == formTile) {
		return quantizedArgs{}, nil
	}
	return pl.room(x).to, norm
}

// size is how many tokens a warp takes, and how many such groups there are.
func size(tokens int) (each, groups int) {
	each = 1
	for each < min(tokens, mostRows) {
		each *= 2
	}
	return each, gpu.Ceil(tokens, each)
}

// MatMul implements [gpu.Kernels].
func (pl *planner) MatMul(n *backend.MatMul) error {
	var a matVecArgs
	a.out, a.outStride = pl.Value(n.Out)
	if n.Add != backend.None {
		a.add, a.addStride = pl.Value(n.Add)
	}
	pl.products(product{in: n.In, norm: n.Norm, few: pl.Few(false), tokens: pl.Tokens}, a, n.Out, n.W)
	return nil
}

// Logits implements [gpu.Kernels].
func (pl *planner) Logits(n *backend.Logits) error {
	x := product{in: n.In, norm: n.Norm, head: true, few: pl.Few(true), tokens: min(pl.Tokens, pl.P.LogitRows)}
	var a matVecArgs
	a.out, a.outStride = pl.Rows(x.tokens)
	pl.products(x, a, backend.None, []*backend.Tensor{n.W})
	return nil
}

// products multiplies by matrices whose rows follow each other: those of one
// type in one launch.
func (pl *planner) products(x product, a matVecArgs, out backend.Value, w []*backend.Tensor) {
	if len(w) > 1 {
		out = backend.None // no launch makes all of it
	}
	a.params, a.tokens, a.head, a.cols = pl.Block(), int32(pl.Tokens), gpu.Bit(x.head), int32(x.in.N)
	for len(w) > 0 {
		f, fast := pl.form(w[0], x.few)
		n := 1
		for (fast || pl.wgmma(w[0], x) || pl.tiles(w[0], x)) && n < min(len(w), maxMatrix) && w[n].Type == w[0].Type {
			if g, _ := pl.form(w[n], x.few); g != f {
				break
			}
			n++
		}
		if x.wgmma = pl.wgmma(w[0], x); x.wgmma {
			f = bf16Form(w[0])
		} else if x.tiles = pl.tiles(w[0], x); x.tiles {
			f = formBF16
		}
		x.form = f
		a.x, a.xStride = pl.input(x)
		a.scales = pl.ready.to.scales
		rows := 0
		for i := range a.ends {
			if i < n {
				a.w[i] = gpu.OfTensor(w[i])
				rows += w[i].Rows
			}
			a.ends[i] = int32(rows)
		}
		a.kind = int32(w[0].Type)
		pl.product(w[0], nil, fast, x, rows, a, out)
		a.out, a.add = a.out.Skip(4*rows), a.add.Skip(4*rows)
		w = w[n:]
	}
}

// tiles reports whether tensor cores multiply quantized weights by the tokens of a
// prompt.
func (pl *planner) tiles(w *backend.Tensor, x product) bool {
	spec, _ := w.Type.Spec()
	return pl.Chip.Level >= tensorCores && !x.few && spec.Block > 1 && w.Cols%64 == 0
}

const (
	tensorCores = 80  // the oldest chip gemm kernels are for
	tileRows    = 128 // of a gemm's block; a gate's are half gate, half up
	tilePitch   = 144 // bytes of a row of a stage in shared memory
	enough      = 200 // blocks that fill a card
)

// product launches a kernel over rows of w's type; up is set where w is a gate,
// out is the value that the launch makes the whole of, or None.
func (pl *planner) product(w, up *backend.Tensor, fast bool, x product, rows int, a matVecArgs, out backend.Value) {
	vector, tiled, each := "matvec", "gemm", tileRows
	if up != nil {
		vector, tiled, each = "gateup", "gemmgate", tileRows/2
	}
	switch {
	case x.wgmma:
		pl.wgmmaProduct(w, up != nil, rows, a)
	case x.tiles:
		tokens := 128
		if light(w.Type) || gpu.Ceil(rows, each)*gpu.Ceil(x.tokens, tokens) < enough {
			tokens = 64
		}
		l := pl.Launch(fmt.Sprintf("%s_%v_%d", tiled, w.Type, tokens), [3]int{gpu.Ceil(rows, each), gpu.Ceil(x.tokens, tokens), 1}, 256, a)
		l.Shared = uint32(2 * (tileRows + tokens) * tilePitch)
	case x.form == formTile:
		pl.rows(w, up != nil, x, a, out)
	case !fast:
		pl.Launch(vector+"_any", [3]int{gpu.Ceil(rows, warps), x.tokens, 1}, 32*warps, a)
	default:
		each, groups := size(x.tokens)
		if light(w.Type) && each > 1 {
			each, groups = lightRows, gpu.Ceil(x.tokens, lightRows)
		}
		perBlock := warps
		if each > 1 && up == nil && x.form == formFloat {
			perBlock *= 2 // float types take two rows a warp
		}
		pl.Launch(fmt.Sprintf("%s_%v_%d", vector, w.Type, each), [3]int{gpu.Ceil(rows, perBlock), groups, 1}, 32*warps, a)
	}
}

// GateUp implements [gpu.Kernels].
func (pl *planner) GateUp(n *backend.GateUp) error {
	few := pl.Few(false)
	f, fast := pl.form(n.Gate, few)
	if n.Up.Type != n.Gate.Type {
		f, fast = formFloat, false
	}
	rows := int32(n.Gate.Rows)
	a := matVecArgs{
		w: [4]ref{gpu.OfTensor(n.Gate), gpu.OfTensor(n.Up)}, params: pl.Block(), ends: [4]int32{rows, rows, rows, rows},
		cols: int32(n.In.N), tokens: int32(pl.Tokens), kind: int32(n.Gate.Type), kind2: int32(n.Up.Type),
	}
	a.out, a.outStride = pl.Value(n.Out)
	x := product{in: n.In, norm: n.Norm, few: few, tokens: pl.Tokens, form: f}
	if x.wgmma = n.Up.Type == n.Gate.Type && pl.wgmma(n.Gate, x); x.wgmma {
		x.form = bf16Form(n.Gate)
	} else if x.tiles = fast && pl.tiles(n.Gate, x); x.tiles {
		x.form = formBF16
	}
	a.x, a.xStride = pl.input(x)
	a.scales = pl.ready.to.scales
	pl.product(n.Gate, n.Up, fast, x, n.Gate.Rows, a, n.Out)
	return nil
}
