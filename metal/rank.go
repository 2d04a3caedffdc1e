package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// RunRanked implements [backend.Ranker]. The best are read where the GPU wrote
// them.
func (e *exec) RunRanked(p *backend.Params, ranks []backend.Ranking) ([]backend.Best, error) {
	if !gpu.Ranks(e.p) {
		return nil, fmt.Errorf("metal: rows of a program of %d tokens and %d logits are not ranked", e.p.Tokens, e.p.Vocab)
	}
	if len(ranks) != len(p.Segments) {
		return nil, fmt.Errorf("metal: %d rankings of %d segments", len(ranks), len(p.Segments))
	}
	e.best = e.best[:0]
	if err := e.run(p, ranks); err != nil {
		return nil, fmt.Errorf("metal: %w", err)
	}
	return e.best, nil
}

// Row implements [backend.Ranker]. It lies in memory the host shares.
func (e *exec) Row(i int) ([]float32, error) {
	if rows := len(e.rows) / e.p.Vocab; i < 0 || i >= rows {
		return nil, fmt.Errorf("metal: row %d of %d", i, rows)
	}
	return e.rows[i*e.p.Vocab:][:e.p.Vocab], nil
}
