package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/quant"
)

// Products with many tokens on a Hopper chip: a matrix is unpacked to tiles of
// bfloat16 in scratch memory, then multiplied as they lie.
const (
	hopper        = 90
	hopperVersion = 12000 // the oldest driver that compiles the modules made for it
	tileSide      = 128   // rows of a tile
	tileCols      = 64
	tileBytes     = 2 * tileSide * tileCols
	wgmmaBlock    = 288
	wgmmaShared   = 4*3*tileBytes + 1024 // four stages of 128 tokens and 256 rows, or six of 128, aligned to 1024
)

var (
	wgmmaPrompts = true      // false in tests of the way of other chips
	wgmmaBytes   = 128 << 20 // of scratch memory for tiles of a matrix
)

// wgmma reports whether a product takes this way.
func (pl *planner) wgmma(w *backend.Tensor, x product) bool {
	fits := w.Cols%8 == 0
	if spec, _ := w.Type.Spec(); spec.Block > 1 {
		fits = w.Cols%tileCols == 0
	}
	return fits && wgmmaPrompts && pl.Chip.Level == hopper && !x.few && !x.head
}

// bf16Parts is how many bfloat16 a weight is the sum of.
func bf16Parts(t quant.Type) int {
	switch t {
	case quant.F32:
		return 3
	case quant.F16:
		return 2
	}
	return 1
}

// bf16Form is the form that activations take beside w: quantized weights take one
// bfloat16, float ones as many as keep float32's precision.
func bf16Form(w *backend.Tensor) int32 {
	if spec, _ := w.Type.Spec(); spec.Block > 1 {
		return formBF16Tiles
	}
	return formBF16x3
}

// spread prepares activations as tiles.
func (pl *planner) spread(x product) ref {
	a := spreadArgs{cols: int32(x.in.N), parts: 1}
	if x.form == formBF16x3 {
		a.parts = 3
	}
	a.out = pl.Reserve(areaInput, gpu.Ceil(x.tokens, tileSide)*gpu.Ceil(x.in.N, tileCols)*tileBytes*int(a.parts))
	if pl.ready.is(x, pl.Tokens) {
		return a.out
	}
	pl.ready = prepared{in: x.in, norm: x.norm, form: x.form}
	a.x, a.xStride = pl.Slice(x.in)
	a.aligned = gpu.Bit(a.x.Off%16 == 0 && a.xStride%4 == 0)
	if x.norm != nil {
		a.weight, a.eps = gpu.OfTensor(x.norm.Weight), x.norm.Eps
	}
	pl.Launch("spread", [3]int{x.tokens, 1, 1}, 256, a)
	return a.out
}

// wgmmaProduct multiplies by rows of w's type, as many at a time as the scratch
// memory holds.
func (pl *planner) wgmmaProduct(w *backend.Tensor, gate bool, rows int, v matVecArgs) {
	kernel, each := "wgmma", 1 // tiles' rows for one of the output
	if gate {
		kernel, each, rows = "wgmmagate", 2, gpu.Ceil(rows, 8)*8
	}
	parts, cols, tokens := bf16Parts(w.Type), gpu.Ceil(w.Cols, tileCols)*tileCols, gpu.Ceil(pl.Tokens, tileSide)
	side := 256
	if pl.waves(each*rows, 128, tokens)*11 < pl.waves(each*rows, 256, tokens)*20 {
		side = 128
	}
	most := max(wgmmaBytes/(2*cols*parts)/256, 1) * 256
	e := expandArgs{w: v.w, ends: v.ends, cols: int32(w.Cols), gate: gpu.Bit(gate)}
	e.out = pl.Reserve(areaTiles, 2*cols*parts*min(most, gpu.Ceil(each*rows, 256)*256))
	a := wgmmaArgs{
		x: v.x, w: e.out, tokens: int32(pl.Tokens), steps: int32(cols / tileCols), xParts: 1, wParts: int32(parts),
		outStride: v.outStride, addStride: v.addStride,
	}
	if bf16Form(w) == formBF16x3 {
		a.xParts = 3
	}
	for first := 0; first < each*rows; first += most {
		n := min(most, each*rows-first)
		e.first = int32(first)
		pl.Launch(fmt.Sprintf("expand_%v", w.Type), [3]int{gpu.Ceil(n, 16), gpu.Ceil(cols, 8*tileCols), 1}, 256, e)
		done := first / each
		a.out, a.add, a.rows = v.out.Skip(4*done), v.add.Skip(4*done), int32(min(n/each, int(v.ends[3])-done))
		a.pairs = gpu.Bit(a.out.Off%8 == 0 && a.add.Off%8 == 0 && a.rows%2 == 0 && a.outStride%2 == 0 && a.addStride%2 == 0)
		pl.Launch(fmt.Sprintf("%s_%d", kernel, side), [3]int{tokens, gpu.Ceil(n, side), 1}, wgmmaBlock, a).Shared = wgmmaShared
	}
}

// waves is how many times the chip is filled with blocks of the given number of rows.
func (pl *planner) waves(rows, side, tokens int) int {
	return gpu.Ceil(gpu.Ceil(rows, side)*tokens, pl.Chip.Cores)
}
