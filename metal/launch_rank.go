package metal

import (
	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

const rankThreads = 256

// Rank implements [gpu.Kernels].
func (pl *planner) Rank() {
	rows, slices := min(pl.Tokens, pl.P.LogitRows), gpu.Ceil(pl.P.Vocab, gpu.RankSlice)
	a := rankArgs{vocab: int32(pl.P.Vocab), tokens: int32(pl.Tokens), slices: int32(slices), recent: int32(gpu.RecentAt(pl.P))}
	logits, _ := pl.Rows(rows)
	parts := pl.Reserve(0, rows*slices*(8*backend.MaxCandidates+8))
	keys, sums := parts, parts.Skip(rows*slices*8*backend.MaxCandidates)
	keys.Bytes -= sums.Bytes
	best := ref{Area: gpu.Best, Bytes: 4 * gpu.RankWords * rows}
	pl.Launch("rank", [3]int{slices, rows, 1}, rankThreads, a, logits, keys, sums)
	pl.Launch("rank_best", [3]int{rows, 1, 1}, rankThreads, a, keys, sums, best)
}
