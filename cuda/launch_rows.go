package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/quant"
)

// Of products on tensor cores with few tokens.
const (
	tallRows  = 16 // of a warp
	stages    = 2  // steps a warp has on their way
	stepCols  = 256
	stepInput = stepCols + stepCols/32*8 // bytes of a token's activations and scales

	// A Hopper chip copies rows of a gate and its up one step at a time where their
	// pitch is above longRows bytes. The copies are lonePitch bytes apart.
	longRows, lonePitch = 200, 288

	// tileShared is the memory that the largest of these launches takes with its own. Chips
	// that give a block less (compute capability 8.6, 8.9, 12.0) multiply without tensor cores.
	tileShared = 156 << 10
)

// pitches are bytes of a row of a step in shared memory.
var pitches = map[quant.Type]int{quant.Q8_0: 272, quant.Q4_0: 144, quant.Q4_K: 160, quant.Q5_K: 176, quant.Q6_K: 240}

// rows launches products on tensor cores with few tokens. A block makes 32 rows
// of a single token, which it prepares for the next product, or 16 of several.
func (pl *planner) rows(w *backend.Tensor, gate bool, x product, v matVecArgs, out backend.Value) {
	kernel, matrices, tall := "rows", 1, 1
	if gate {
		kernel, matrices = "rowsgate", 2
	}
	warps := 8 // that share columns
	if gate {
		warps = 4
	}
	a := productArgs{a: v, norm: pl.squares(&pl.ready)}
	if x.norm != nil {
		a.eps = x.norm.Eps
	}
	if x.tokens == 1 {
		tall = 2
		if out != backend.None {
			var norm *backend.Norm
			if a.to, norm = pl.quantized(out, true); norm != nil {
				a.next = gpu.OfTensor(norm.Weight)
				a.squares = pl.squares(&pl.ready)
			}
		}
	}
	if x.tokens == 1 && !gate && a.to.form == formFloat && pl.Chip.Level == hopper {
		kernel, tall = "rowshalf", 1 // several blocks a multiprocessor
	}
	memory := stages * (matrices*tallRows*pitches[w.Type] + held(x.tokens)*stepInput) // of a warp
	if gate && pl.Chip.Level >= hopper && pitches[w.Type] > longRows {
		memory = matrices*tallRows*lonePitch + stages*held(x.tokens)*stepInput
	}
	blocks := tilesOf(&v, tall*tallRows)
	l := pl.Launch(fmt.Sprintf("%s_%v_%d", kernel, w.Type, held(x.tokens)), [3]int{blocks, 1, 1}, 32*warps*tall, a)
	l.Shared = uint32(warps * tall * memory)
	l.Note = fmt.Sprintf(" %dx%d", v.ends[3], w.Cols)
}

// tilesOf is how many tiles of the given rows a product's matrices have; a gate's
// and its up's are the same.
func tilesOf(v *matVecArgs, rows int) (tiles int) {
	begin := int32(0)
	for _, end := range v.ends {
		tiles += gpu.Ceil(int(end-begin), rows)
		begin = end
	}
	return tiles
}

// slots is how many tokens lie beside each other in formTile, held how many
// there is room for: groups of 8, or the one.
func slots(tokens int) int32 {
	if tokens == 1 {
		return 1
	}
	return 8
}

func held(tokens int) int {
	s := int(slots(tokens))
	return gpu.Ceil(tokens, s) * s
}
