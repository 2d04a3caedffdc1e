package cuda

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

const rankThreads = 1024

// Rank implements [gpu.Kernels]. The launches end at once where no ranking is
// asked for.
func (pl *planner) Rank() {
	rows, slices := min(pl.Tokens, pl.P.LogitRows), gpu.Ceil(pl.P.Vocab, gpu.RankSlice)
	a := rankArgs{
		params: pl.Block(), recent: pl.Block().Skip(4 * gpu.RecentAt(pl.P)),
		keys: pl.Reserve(areaParts, rows*slices*backend.MaxCandidates*8), sums: pl.Reserve(areaSquares, rows*slices*8),
		out:   ref{Area: gpu.Best, Bytes: 4 * gpu.RankWords * rows},
		vocab: int32(pl.P.Vocab), tokens: int32(pl.Tokens), slices: int32(slices),
	}
	a.logits, _ = pl.Rows(rows)
	pl.Launch("rank", [3]int{slices, rows, 1}, rankThreads, a)
	pl.Launch("best", [3]int{rows, 1, 1}, rankThreads, a)
}
