package cmd

import (
	"encoding/json"
	"fmt"
	"sort"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

// info is what `mil info --json` prints.
type info struct {
	File            string           `json:"file"`
	Architecture    string           `json:"architecture"`
	Name            string           `json:"name"`
	Layers          int              `json:"layers"`
	AttentionLayers []int            `json:"attention_layers"`
	Parameters      int64            `json:"parameters"`
	Bytes           int64            `json:"bytes"`
	BitsPerWeight   float64          `json:"bits_per_weight"`
	Types           map[string]int64 `json:"types"`
	Context         int              `json:"context"`
	Vocab           int              `json:"vocab"`
	MemoryContext   int              `json:"memory_context"`
	KVBytes         int64            `json:"kv_bytes"`
	StateBytes      int64            `json:"state_bytes"`
}

func infoCommand() *cobra.Command {
	var asJSON bool
	var context int
	c := &cobra.Command{
		Use:     "info MODEL",
		Short:   "Show what a model file holds and the memory it will need",
		Example: "  mil info model.bin\n  mil info --ctx 32768 --json model.bin",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := format.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			m, err := model.Open(f)
			if err != nil {
				return err
			}
			if context <= 0 {
				context = min(m.Config.Context, model.DefaultContext)
			}
			i := info{File: args[0], Architecture: m.Config.Arch, Name: m.Config.Name, Layers: m.Config.Layers,
				AttentionLayers: m.Config.AttentionLayers(), Parameters: m.Parameters(), Bytes: int64(len(f.Mapping())),
				Types: map[string]int64{}, Context: m.Config.Context, Vocab: m.Config.Vocab, MemoryContext: context}
			i.BitsPerWeight = float64(i.Bytes) * 8 / float64(i.Parameters)
			i.KVBytes, i.StateBytes = m.Memory(context)
			for _, t := range f.Tensors() {
				n := int64(1)
				for _, d := range t.Dims {
					n *= int64(d)
				}
				i.Types[t.Type.String()] += n
			}
			if asJSON {
				e := json.NewEncoder(c.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(i)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintf(w, "architecture\t%s\n", i.Architecture)
			fmt.Fprintf(w, "name\t%s\n", i.Name)
			fmt.Fprintf(w, "layers\t%d, attention in %v\n", i.Layers, i.AttentionLayers)
			fmt.Fprintf(w, "parameters\t%.1f M\n", float64(i.Parameters)/1e6)
			fmt.Fprintf(w, "file\t%.1f MB, %.2f bits a weight\n", float64(i.Bytes)/1e6, i.BitsPerWeight)
			var types []string
			for t := range i.Types {
				types = append(types, t)
			}
			sort.Slice(types, func(a, b int) bool { return i.Types[types[a]] > i.Types[types[b]] })
			for _, t := range types {
				fmt.Fprintf(w, "  %s\t%.1f%% of the weights\n", t, 100*float64(i.Types[t])/float64(i.Parameters))
			}
			fmt.Fprintf(w, "context\t%d\n", i.Context)
			fmt.Fprintf(w, "memory\t%.1f MB of cache at %d tokens, %.1f MB of recurrent state\n", float64(i.KVBytes)/1e6, i.MemoryContext, float64(i.StateBytes)/1e6)
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().IntVar(&context, "ctx", 0, "context to compute memory for (default the model's, at most 8192)")
	return c
}
