package cuda

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Of products on tensor cores with few tokens: rows of a block, and for a
// matrix and for a pair of them warps that share the columns.
const (
	tallRows    = 16
	matrixWarps = 8
	gateWarps   = 4
	stages      = 2 // of 256 columns that a warp has on their way
	stepCols    = 256
	stepInput   = stepCols + stepCols/32*8 // bytes of a token's activations and scales
)

// pitches are bytes of a row of a stage in shared memory.
var pitches = map[quant.Type]int{quant.Q8_0: 272, quant.Q4_0: 144, quant.Q4_K: 160, quant.Q5_K: 176, quant.Q6_K: 240}

// rows launches products on tensor cores with few tokens.
func (pl *planner) rows(w *backend.Tensor, gate bool, x product, a matVecArgs) {
	kernel, matrices, warps := "rows", 1, matrixWarps
	if gate {
		kernel, matrices, warps = "rowsgate", 2, gateWarps
	}
	tiles, begin := 0, int32(0)
	for _, end := range a.ends {
		tiles += ceil(int(end-begin), tallRows)
		begin = end
	}
	add(pl, fmt.Sprintf("%s_%v_%d", kernel, w.Type, held(x.tokens)), [3]int{tiles, 1, 1}, 32*warps, a)
	pl.launches[len(pl.launches)-1].shared = uint32(warps * stages * (matrices*tallRows*pitches[w.Type] + held(x.tokens)*stepInput))
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
	return ceil(tokens, s) * s
}
