package metal

import "github.com/mil-run/mil/backend"

// Cost plans passes of the given number of tokens, their rows of logits ranked where they may
// be. Weights are wrapped where they lie.
func Cost(p *backend.Program, tokens int) (backend.Cost, error) {
	s, err := plan(p, tokens)
	if err != nil {
		return backend.Cost{}, err
	}
	c := backend.CostOf(p)
	c.Launches, c.Scratch = len(s.launches), int64(s.scratch+len(s.constants))
	if ranks(p) {
		c.Scratch += 4 * rankWords * int64(p.LogitRows)
	}
	return c, nil
}
