package metal

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
)

// RunRanked implements [backend.Ranker]. The best are read where the GPU wrote
// them.
func (e *exec) RunRanked(p *backend.Params, r *backend.Ranking) ([]backend.Best, error) {
	if !gpu.Ranks(e.p) {
		return nil, fmt.Errorf("metal: rows of a program of %d tokens and %d logits are not ranked", e.p.Tokens, e.p.Vocab)
	}
	if err := e.run(p, r); err != nil {
		return nil, fmt.Errorf("metal: %w", err)
	}
	e.best = gpu.Ranking(e.best[:0], words(e.memory[gpu.Best]), p.Logits, e.p.Vocab, r)
	return e.best, nil
}

// Row implements [backend.Ranker]. It lies in memory the host shares.
func (e *exec) Row(i int) ([]float32, error) {
	if rows := int(words(e.memory[gpu.Params])[gpu.ParamLogits]); i < 0 || i >= rows {
		return nil, fmt.Errorf("metal: row %d of %d", i, rows)
	}
	return floats(e.memory[gpu.Logits])[i*e.p.Vocab:][:e.p.Vocab], nil
}
