package metal

import "github.com/mil-run/mil/backend"

// Of the ranking of rows of logits.
const (
	rankSlice   = 4096 // logits of a threadgroup
	rankThreads = 256
	rankWords   = 2*backend.Ranked + 1 // of a row's result: logits, tokens, the sum
)

// ranks reports whether rows of p's logits can be ranked.
func ranks(p *backend.Program) bool {
	return p.LogitRows > 0 && p.Vocab > 0 && p.Tokens <= backend.Verify
}

// rank appends the ranking of the rows of a short pass.
func (pl *planner) rank() {
	if !ranks(pl.p) {
		return
	}
	planned := len(pl.launches)
	rows, slices := min(pl.tokens, pl.p.LogitRows), ceil(pl.p.Vocab, rankSlice)
	a := rankArgs{vocab: int32(pl.p.Vocab), tokens: int32(pl.tokens), slices: int32(slices), recent: int32(paramTokens + pl.p.Tokens)}
	logits := ref{area: areaLogits, bytes: 4 * rows * pl.p.Vocab}
	parts := pl.scratch(rows * slices * (8*backend.Ranked + 8))
	keys, sums := parts, skip(parts, rows*slices*8*backend.Ranked)
	keys.bytes -= sums.bytes
	best := ref{area: areaBest, bytes: 4 * rankWords * rows}
	add(pl, "rank", [3]int{slices, rows, 1}, rankThreads, a, logits, keys, sums)
	add(pl, "rank_best", [3]int{rows, 1, 1}, rankThreads, a, keys, sums, best)
	pl.ranking = len(pl.launches) - planned
}
