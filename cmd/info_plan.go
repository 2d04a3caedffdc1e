package cmd

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/devices"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/model"
)

// planInfo is the JSON of `mil info --plan --json`.
type planInfo struct {
	Backend string     `json:"backend"`
	Chip    *chipInfo  `json:"chip,omitempty"`
	Context int        `json:"context"`
	Passes  []passPlan `json:"passes"`
}

// chipInfo is the limits that a plan is made for.
type chipInfo struct {
	Name    string `json:"name"`
	Product string `json:"product"` // whose numbers these are
	Core    string `json:"core"`    // "multiprocessor" or "GPU core"
	Cores   int    `json:"cores"`
	Shared  int    `json:"shared_memory"`
}

// passPlan is the cost of a pass of Tokens tokens.
type passPlan struct {
	Tokens int `json:"tokens"`
	backend.Cost
}

// describePlan plans a model on a backend and a chip of it, which need not be here.
// A chip names its backend; a backend has a usual chip.
func describePlan(e *chat.Engine, name, chip string, o model.Options) (planInfo, error) {
	i := planInfo{Backend: name, Context: o.Context}
	prompt := backend.DefaultPrompt
	cost := func(p *backend.Program, _ int) (backend.Cost, error) { return backend.CostOf(p), nil }
	for _, d := range devices.All {
		for _, c := range d.Chips {
			if c.Name == chip || chip == "" && d.Name == name && c.Name == d.Chip {
				i.Backend, i.Chip, prompt = d.Name, &chipInfo{c.Name, c.Product, c.Core, c.Cores, c.Shared}, c.Prompt
				cost = func(p *backend.Program, tokens int) (backend.Cost, error) { return d.Cost(p, tokens, c) }
			}
		}
	}
	step, long := e.Model.Programs(o, prompt)
	// Decoding, verifying, a prompt.
	i.Passes = []passPlan{{Tokens: 1}, {Tokens: step.Tokens}, {Tokens: long.Tokens}}
	for n := range i.Passes {
		p := step
		if i.Passes[n].Tokens > step.Tokens {
			p = long
		}
		var err error
		if i.Passes[n].Cost, err = cost(p, i.Passes[n].Tokens); err != nil {
			return i, fmt.Errorf("--backend %s: %w", i.Backend, err)
		}
	}
	return i, nil
}

func (i *planInfo) print(out io.Writer) error {
	launches := "nodes"
	if i.Chip == nil {
		show.Fprintf(out, "planned for %s at a context of %d tokens; MB\n", i.Backend, i.Context)
	} else {
		launches = "launches"
		show.Fprintf(out, "planned for %s on %s (%s: %d %ss, %d KiB of shared memory a block) at a context of %d tokens; MB\n",
			i.Backend, i.Chip.Name, i.Chip.Product, i.Chip.Cores, i.Chip.Core, i.Chip.Shared>>10, i.Context)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	show.Fprintf(w, "tokens\t%s\tper token\tweights\tstates\tvalues\tscratch\ttotal\t\n", launches)
	for _, p := range i.Passes {
		mb := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)/1e6) }
		show.Fprintf(w, "%d\t%d\t%.1f\t%s\t%s\t%s\t%s\t%s\t\n", p.Tokens, p.Launches, float64(p.Launches)/float64(p.Tokens),
			mb(p.Weights), mb(p.States), mb(p.Values), mb(p.Scratch), mb(p.Bytes()))
	}
	if err := w.Flush(); err != nil || i.Chip == nil {
		return err
	}
	return i.printKernels(out)
}

// printKernels tells how often each pass launches each kernel.
func (i *planInfo) printKernels(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	names := map[string]bool{}
	show.Fprintf(w, "\ntokens\t")
	for _, p := range i.Passes {
		show.Fprintf(w, "%d\t", p.Tokens)
		for name := range p.Kernels {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		show.Fprintf(w, "\n%s\t", name)
		for _, p := range i.Passes {
			show.Fprintf(w, "%d\t", p.Kernels[name])
		}
	}
	show.Fprintf(w, "\n")
	return w.Flush()
}
