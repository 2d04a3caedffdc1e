package cuda

import (
	"github.com/mil-run/mil/backend"
)

// Of the ranking of rows of logits.
const (
	rankSlice   = 4096 // logits that a block sorts
	rankThreads = 1024
	rankWords   = 2*backend.Ranked + 1 // of a row's result: logits, tokens, the sum
)

// rank appends the ranking of the rows of a short pass; it ends at once where
// none is asked for.
func (pl *planner) rank() {
	if pl.p.LogitRows == 0 || pl.p.Vocab == 0 || pl.p.Tokens > backend.Verify {
		return
	}
	rows, slices := min(pl.tokens, pl.p.LogitRows), ceil(pl.p.Vocab, rankSlice)
	a := rankArgs{
		logits: pl.logits(), params: pl.params(), recent: pl.params() + 4*uint64(paramTokens+pl.p.Tokens),
		keys: pl.area(areaParts, rows*slices*backend.Ranked*8), sums: pl.area(areaSquares, rows*slices*8), out: pl.best(),
		vocab: int32(pl.p.Vocab), tokens: int32(pl.tokens), slices: int32(slices),
	}
	add(pl, "rank", [3]int{slices, rows, 1}, rankThreads, a)
	add(pl, "best", [3]int{rows, 1, 1}, rankThreads, a)
}
