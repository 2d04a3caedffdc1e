package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/model"
)

// planInfo is the JSON of `mil info --plan --json`.
type planInfo struct {
	Backend string     `json:"backend"`
	Context int        `json:"context"`
	Passes  []passPlan `json:"passes"`
}

// passPlan is the cost of a pass of Tokens tokens.
type passPlan struct {
	Tokens int `json:"tokens"`
	backend.Cost
}

// plannedPasses are the sizes that are shown: decoding, verifying, a prompt.
func plannedPasses(step, prompt *backend.Program) []passPlan {
	return []passPlan{{Tokens: 1}, {Tokens: step.Tokens}, {Tokens: prompt.Tokens}}
}

// describePlan plans a model on a backend, which need not be here.
func describePlan(e *chat.Engine, name string, o model.Options) (planInfo, error) {
	cost := func(p *backend.Program, _ int) (backend.Cost, error) { return backend.CostOf(p), nil }
	known := []string{"cpu"}
	for _, a := range accelerators {
		known = append(known, a.name)
		if a.name == name {
			cost = a.cost
		}
	}
	i := planInfo{Backend: name, Context: o.Context}
	if !slices.Contains(known, name) {
		return i, fmt.Errorf("--backend %s is none of %s", name, strings.Join(known, ", "))
	}
	step, prompt := e.Model.Programs(o)
	i.Passes = plannedPasses(step, prompt)
	for n := range i.Passes {
		p := step
		if i.Passes[n].Tokens > step.Tokens {
			p = prompt
		}
		var err error
		if i.Passes[n].Cost, err = cost(p, i.Passes[n].Tokens); err != nil {
			return i, fmt.Errorf("--backend %s: %w", name, err)
		}
	}
	return i, nil
}

func (i *planInfo) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	launches := "launches"
	if i.Backend == "cpu" {
		launches = "nodes"
	}
	show.Fprintf(out, "planned for %s at a context of %d tokens; MB\n", i.Backend, i.Context)
	show.Fprintf(w, "tokens\t%s\tper token\tweights\tstates\tvalues\tscratch\ttotal\t\n", launches)
	for _, p := range i.Passes {
		mb := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) }
		show.Fprintf(w, "%d\t%d\t%.1f\t%s\t%s\t%s\t%s\t%s\t\n", p.Tokens, p.Launches, float64(p.Launches)/float64(p.Tokens),
			mb(p.Weights), mb(p.States), mb(p.Values), mb(p.Scratch), mb(p.Bytes()))
	}
	return w.Flush()
}
