package metal

import (
	"cmp"
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
)

// RunRanked implements [backend.Ranker]. The best are read where the GPU wrote
// them.
func (e *exec) RunRanked(p *backend.Params, r *backend.Ranking) ([]backend.Best, error) {
	if !ranks(e.p) {
		return nil, fmt.Errorf("metal: rows of a program of %d tokens and %d logits are not ranked", e.p.Tokens, e.p.Vocab)
	}
	if err := e.run(p, r); err != nil {
		return nil, fmt.Errorf("metal: %w", err)
	}
	keep := min(backend.Ranked, e.p.Vocab)
	if r.Temp == 0 {
		keep = 1
	}
	logits, tokens := floats(e.memory[areaBest]), words(e.memory[areaBest])
	e.best = e.best[:0]
	for i := range p.Logits {
		at := rankWords * i
		b := backend.Best{Tokens: tokens[at+backend.Ranked:][:keep], Logits: logits[at:][:keep]}
		if r.Temp != 0 {
			b.Sum = float64(logits[at+2*backend.Ranked])
		}
		e.best = append(e.best, b)
	}
	return e.best, nil
}

// pose writes what a ranking asks for.
func (e *exec) pose(params []int32, r *backend.Ranking) {
	recent := r.Recent[max(0, len(r.Recent)-backend.RankWindow):]
	params[paramTemperature] = int32(math.Float32bits(r.Temp))
	params[paramPenalty] = int32(math.Float32bits(cmp.Or(r.Penalty, 1)))
	params[paramRecent] = int32(copy(params[paramTokens+e.p.Tokens:], recent))
}

// Row implements [backend.Ranker]. It lies in memory the host shares.
func (e *exec) Row(i int) ([]float32, error) {
	if rows := int(words(e.memory[areaParams])[paramLogits]); i < 0 || i >= rows {
		return nil, fmt.Errorf("metal: row %d of %d", i, rows)
	}
	return floats(e.memory[areaLogits])[i*e.p.Vocab:][:e.p.Vocab], nil
}
