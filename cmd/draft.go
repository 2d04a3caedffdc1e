package cmd

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/speculate"
)

// draftFlags choose the draft.
type draftFlags struct {
	draft string
	k     int
}

func (f *draftFlags) add(set *pflag.FlagSet) {
	addText(set, &f.draft, "draft", "", "MODEL", "draft for speculative decoding: a model, lookup (from the conversation itself), demo "+
		"(the demo's draft), auto (lookup, then the demo's draft where it fits), or several, as in lookup,MODEL; the text stays the same")
	addNumber(set, &f.k, "draft-k", "", adapt, adapt, speculate.MaxDraft, "tokens to propose at a time, up to 15; -1 adapts the number to its gain")
}

// adapt is the number of tokens that follows from the gain.
const adapt = -1

// put puts the flags into the options of a model.
func (f *draftFlags) put(c *cobra.Command, o *llm.Options) {
	o.Draft, o.DraftTokens = f.draft, zeroIs(adapt, f.k)
	o.Models = string(modelsFolder(c))
}
