package metal

import "github.com/mil-run/mil/backend"

// Cost plans passes of so many tokens. Weights are wrapped where they lie.
func Cost(p *backend.Program, tokens int) (backend.Cost, error) {
	s, err := plan(p, tokens)
	if err != nil {
		return backend.Cost{}, err
	}
	c := backend.CostOf(p)
	c.Launches, c.Scratch = len(s.launches), int64(s.scratch+len(s.constants))
	return c, nil
}
