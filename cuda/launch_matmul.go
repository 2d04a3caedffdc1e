package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

const (
	warps     = 4   // rows of a block of a matrix-vector product
	prepared  = 256 // threads of a block of prepare
	mostRows  = 8   // tokens of one launch's block
	maxMatrix = 4   // matrices of one launch
)

// form is what a fast product of so many tokens takes of its activations, and
// whether there is one for these columns: others go element by element.
func (pl *planner) form(t *backend.Tensor, tokens int) (f int32, fast bool) {
	spec, _ := t.Type.Spec()
	if spec.Block > 1 && pl.capability() >= tensorCores && tokens <= backend.Verify && t.Cols%256 == 0 {
		return formTile, true
	}
	switch t.Type {
	case quant.F32, quant.F16, quant.BF16:
		return formFloat, t.Cols%8 == 0
	case quant.Q8_0:
		if t.Cols%256 == 0 {
			return formInt8Q8, true
		}
		return formFloat, false
	case quant.Q4_0, quant.Q4_K, quant.Q5_K, quant.Q6_K:
		return formInt8, true
	}
	return formFloat, false
}

// product is one launch of rows of one type.
type product struct {
	in     backend.Slice
	norm   *backend.Norm
	head   bool
	tokens int // rows of in, at most
	form   int32
	ready  bool // the input was prepared in this form before
	tiles  bool // tensor cores
	wide   bool // a Hopper chip's warpgroups
}

// input gives the activations' address, the values (bytes of int8) from token to
// token, and the address of their scales.
func (pl *planner) input(x product) (at uint64, stride int32, scales uint64, err error) {
	cols := x.in.N
	if x.form == formFloat && x.norm == nil && !x.head {
		at, stride = pl.slice(x.in)
		if at%16 == 0 && stride%4 == 0 {
			return at, stride, 0, nil
		}
	}
	if x.wide {
		at, err = pl.spread(x)
		return at, 0, 0, err
	}
	var bytes int
	switch x.form {
	case formFloat:
		stride, bytes = int32(cols+3)&^3, (cols+3)&^3*4
	case formBrain:
		stride, bytes = int32(cols), 2*cols
	case formInt8:
		stride, bytes = int32(cols), cols
	case formInt8Q8:
		stride, bytes = int32(cols/32*34), cols/32*34
	case formTile:
		stride, bytes = slots(x.tokens), cols
	}
	at = pl.area(areaInput, bytes*held(x.tokens))
	if x.form == formInt8 || x.form == formInt8Q8 || x.form == formTile {
		scales = pl.area(areaScales, held(x.tokens)*cols/32*8)
	}
	if x.ready {
		return at, stride, scales, nil
	}
	pl.ready = backend.None
	a := prepareArgs{
		to:     quantizedArgs{out: at, scales: scales, stride: int32(bytes), form: x.form, blocks: int32(cols / 32)},
		params: pl.params(), cols: int32(cols), tokens: int32(pl.tokens), head: bit(x.head),
	}
	if x.form == formTile {
		a.to.stride = stride
	}
	a.x, a.xStride = pl.slice(x.in)
	if x.norm != nil {
		if a.weight, err = pl.tensor(x.norm.Weight); err != nil {
			return 0, 0, 0, err
		}
		a.eps = x.norm.Eps
	}
	// For a few tokens a block takes as few columns as it has threads.
	a.share = prepared
	if x.tokens > backend.Verify {
		a.share = int32(ceil(cols, 32) * 32)
	}
	add(pl, "prepare", [3]int{ceil(cols, int(a.share)), x.tokens, 1}, prepared, a)
	return at, stride, scales, nil
}

// quantized is where the node that writes v should also leave it as int8, when
// the next node multiplies it so; the form is formFloat when not.
func (pl *planner) quantized(v backend.Value) quantizedArgs {
	var a quantizedArgs
	if pl.at+1 == len(pl.p.Nodes) || pl.tokens > backend.Verify {
		return a
	}
	n, ok := pl.p.Nodes[pl.at+1].(*backend.MatMul)
	width := pl.p.Widths[v]
	if !ok || n.In.V != v || n.In.N != width || n.Norm != nil || width%32 != 0 {
		return a
	}
	f, _ := pl.form(n.W[0], pl.tokens)
	if f == formFloat {
		return a
	}
	bytes, stride := width, int32(width)
	switch f {
	case formInt8Q8:
		bytes = width / 32 * 34
		stride = int32(bytes)
	case formTile:
		stride = slots(pl.tokens)
	}
	pl.ready, pl.readyForm = v, f
	return quantizedArgs{
		out: pl.area(areaInput, bytes*held(pl.tokens)), scales: pl.area(areaScales, held(pl.tokens)*width/32*8),
		stride: stride, form: f, blocks: int32(width / 32),
	}
}

// size is how many tokens a warp takes, and how many such groups there are.
func size(tokens int) (each, groups int) {
	each = 1
	for each < min(tokens, mostRows) {
		each *= 2
	}
	return each, ceil(tokens, each)
}

func (pl *planner) matMul(n *backend.MatMul) error {
	a := matVecArgs{out: pl.value(n.Out), outStride: int32(pl.p.Widths[n.Out])}
	if n.Add != backend.None {
		a.add, a.addStride = pl.value(n.Add), int32(pl.p.Widths[n.Add])
	}
	return pl.products(product{in: n.In, norm: n.Norm, tokens: pl.tokens}, a, n.W)
}

func (pl *planner) head(n *backend.Logits) error {
	a := matVecArgs{out: pl.logits(), outStride: int32(pl.p.Vocab)}
	return pl.products(product{in: n.In, norm: n.Norm, head: true, tokens: min(pl.tokens, pl.p.LogitRows)}, a, []*backend.Tensor{n.W})
}

// products multiplies by matrices whose rows follow each other: those of one
// type in one launch.
func (pl *planner) products(x product, a matVecArgs, w []*backend.Tensor) error {
	a.params, a.tokens, a.head, a.cols = pl.params(), int32(pl.tokens), bit(x.head), int32(x.in.N)
	last := int32(-1) // form of what the input area holds
	if pl.ready == x.in.V && x.norm == nil && x.in.N == pl.p.Widths[x.in.V] {
		last = pl.readyForm
	}
	for ; len(w) > 0; last = x.form {
		f, fast := pl.form(w[0], x.tokens)
		n := 1
		for (fast || pl.wide(w[0], x) || pl.tiles(w[0], x.tokens)) && n < min(len(w), maxMatrix) && w[n].Type == w[0].Type {
			n++
		}
		if x.wide = pl.wide(w[0], x); x.wide {
			f = wideForm(w[0])
		} else if x.tiles = pl.tiles(w[0], x.tokens); x.tiles {
			f = formBrain
		}
		x.form, x.ready = f, f == last
		var err error
		if a.x, a.xStride, a.scales, err = pl.input(x); err != nil {
			return err
		}
		rows := 0
		for i := range a.ends {
			if i < n {
				if a.w[i], err = pl.tensor(w[i]); err != nil {
					return err
				}
				rows += w[i].Rows
			}
			a.ends[i] = int32(rows)
		}
		a.kind = int32(w[0].Type)
		pl.product(w[0], nil, fast, x, rows, a)
		a.out += 4 * uint64(rows)
		if a.add != 0 {
			a.add += 4 * uint64(rows)
		}
		w = w[n:]
	}
	return nil
}

// tiles reports whether tensor cores multiply: quantized weights by more tokens
// than must have the bits of one.
func (pl *planner) tiles(w *backend.Tensor, tokens int) bool {
	spec, _ := w.Type.Spec()
	return pl.capability() >= tensorCores && tokens > backend.Verify && spec.Block > 1 && w.Cols%64 == 0
}

const (
	tensorCores = 80  // the oldest chip gemm kernels are for
	tileRows    = 128 // of a gemm's block; a gate's are half gate, half up
	tilePitch   = 144 // bytes of a row of a stage in shared memory
	enough      = 200 // blocks that fill a card
)

// product launches a kernel over rows of w's type; up is set where w is a gate.
func (pl *planner) product(w, up *backend.Tensor, fast bool, x product, rows int, a matVecArgs) {
	vector, tiled, each := "matvec", "gemm", tileRows
	if up != nil {
		vector, tiled, each = "gateup", "gemmgate", tileRows/2
	}
	switch {
	case x.wide:
		pl.wideProduct(w, up != nil, rows, a)
	case x.tiles:
		tokens := 128
		if ceil(rows, each)*ceil(x.tokens, tokens) < enough {
			tokens = 64
		}
		add(pl, fmt.Sprintf("%s_%v_%d", tiled, w.Type, tokens), [3]int{ceil(rows, each), ceil(x.tokens, tokens), 1}, 256, a)
		pl.launches[len(pl.launches)-1].shared = uint32(2 * (tileRows + tokens) * tilePitch)
	case x.form == formTile:
		pl.rows(w, up != nil, x, a)
	case !fast:
		add(pl, vector+"_any", [3]int{ceil(rows, warps), x.tokens, 1}, 32*warps, a)
	default:
		each, groups := size(x.tokens)
		perBlock := warps
		if each > 1 && up == nil && x.form == formFloat {
			perBlock *= 2 // float types take two rows a warp
		}
		add(pl, fmt.Sprintf("%s_%v_%d", vector, w.Type, each), [3]int{ceil(rows, perBlock), groups, 1}, 32*warps, a)
	}
}

func (pl *planner) gateUp(n *backend.GateUp) error {
	f, fast := pl.form(n.Gate, pl.tokens)
	if n.Up.Type != n.Gate.Type {
		f, fast = formFloat, false
	}
	ws, err := pl.tensors(n.Gate, n.Up)
	if err != nil {
		return err
	}
	rows := int32(n.Gate.Rows)
	a := matVecArgs{
		w: [4]uint64{ws[0], ws[1]}, out: pl.value(n.Out), params: pl.params(), ends: [4]int32{rows, rows, rows, rows},
		cols: int32(n.In.N), outStride: int32(pl.p.Widths[n.Out]), tokens: int32(pl.tokens), kind: int32(n.Gate.Type), kind2: int32(n.Up.Type),
	}
	x := product{in: n.In, norm: n.Norm, tokens: pl.tokens, form: f}
	if x.wide = n.Up.Type == n.Gate.Type && pl.wide(n.Gate, x); x.wide {
		x.form = wideForm(n.Gate)
	} else if x.tiles = fast && pl.tiles(n.Gate, x.tokens); x.tiles {
		x.form = formBrain
	}
	if a.x, a.xStride, a.scales, err = pl.input(x); err != nil {
		return err
	}
	pl.product(n.Gate, n.Up, fast, x, n.Gate.Rows, a)
	return nil
}
