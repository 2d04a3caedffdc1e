package cmd

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
)

// info is the JSON of `mil info --json`.
type info struct {
	File            string           `json:"file"`
	Architecture    string           `json:"architecture"`
	Name            string           `json:"name"`
	License         string           `json:"license,omitempty"`
	Layers          int              `json:"layers"`
	AttentionLayers []int            `json:"attention_layers"`
	DModel          int              `json:"d_model"`
	Heads           *headsInfo       `json:"heads,omitempty"` // of attention layers; absent without any
	Quantization    string           `json:"quantization"`
	Parameters      int64            `json:"parameters"`
	Bytes           int64            `json:"bytes"`
	BitsPerWeight   float64          `json:"bits_per_weight"`
	Types           map[string]int64 `json:"types"` // parameters stored in each
	Context         int              `json:"context"`
	Vocab           int              `json:"vocab"`
	Tokenizer       tokenizerInfo    `json:"tokenizer"`
	Memory          memoryInfo       `json:"memory"`
}

// headsInfo is the shape of attention. Layers may differ in their key and value heads.
type headsInfo struct {
	Query int   `json:"query"`
	KV    []int `json:"kv"` // the numbers that layers have, each once
	Dim   int   `json:"dim"`
}

type tokenizerInfo struct {
	Model        string `json:"model"`
	Tokens       int    `json:"tokens"`
	BOS          string `json:"bos"`
	EOS          string `json:"eos"`
	ChatTemplate bool   `json:"chat_template"`
	NoChat       string `json:"no_chat,omitempty"` // why a chat is not possible
}

// memoryInfo is the memory that a model needs to run, in bytes.
type memoryInfo struct {
	Context int   `json:"context"` // tokens the figures hold for
	Weights int64 `json:"weights"` // the mapped file
	KVCache int64 `json:"kv_cache"`
	State   int64 `json:"state"`   // recurrent; the same at any context
	Scratch int64 `json:"scratch"` // activations and logits
	Total   int64 `json:"total"`
}

func infoCommand() *cobra.Command {
	var asJSON, ofCPU, ofDevices, plan bool
	var o model.Options
	var kv, backendName, chip string
	c := &cobra.Command{
		Use:   "info [MODEL]",
		Short: "Show a model's contents and the memory it needs, or this machine's processor and GPUs",
		Long: `Show the contents of a model file and the memory it needs. Without MODEL it shows
the demo inside mil. --cpu and --devices show this machine's processor and GPUs.`,
		Example: "  mil info m1-3b\n  mil info --ctx 32768 --json model.bin\n  mil info --plan --backend metal model.bin\n  mil info --plan --chip 9.0 model.bin\n  mil info --cpu\n  mil info --devices",
		Args: func(c *cobra.Command, args []string) error {
			if ofCPU && ofDevices || plan && (ofCPU || ofDevices) {
				return usagef("--cpu, --devices and --plan exclude each other")
			}
			if chip != "" && (!plan || c.Flags().Changed("backend") && backendOf(chip) != backendName) {
				return usagef("--chip %s is a chip of --plan --backend %s", chip, backendOf(chip))
			}
			if ofCPU || ofDevices {
				return atMost()(c, args)
			}
			return atMost("MODEL")(c, args)
		},
		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			if ofCPU {
				return printCPU(c.OutOrStdout(), asJSON)
			}
			if ofDevices {
				return printDevices(c.OutOrStdout(), asJSON)
			}
			o.KV, _ = llm.KVType(kv) // the flag takes no other
			path, err := "", error(nil)
			if len(args) > 0 {
				if path, err = findModel(c, args[0]); err != nil {
					return err
				}
			}
			f, err := openModel(path)
			if err != nil {
				return err
			}
			defer f.Close()
			e, err := chat.Open(f)
			if err != nil {
				return err
			}
			if o.Context == 0 {
				o.Context = min(e.Model.Config.Context, model.DefaultContext)
			}
			if plan {
				i, err := describePlan(e, backendName, chip, o)
				switch {
				case err != nil:
					return err
				case asJSON:
					return printJSON(c.OutOrStdout(), i)
				}
				return i.print(c.OutOrStdout())
			}
			i := describe(f, e, o)
			if asJSON {
				return printJSON(c.OutOrStdout(), i)
			}
			return i.print(c.OutOrStdout())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&ofCPU, "cpu", false, "show the instruction sets and threads that mil can use here; takes no MODEL")
	c.Flags().BoolVar(&ofDevices, "devices", false, "show the GPUs that mil can use here; takes no MODEL")
	c.Flags().BoolVar(&plan, "plan", false, "show the launches and the memory of a pass on --backend, without running it")
	oneOf(c.Flags(), &backendName, "backend", "cpu", backendNames()[1:], "backend of --plan, which need not be here: "+strings.Join(backendNames()[1:], ", "))
	oneOf(c.Flags(), &chip, "chip", "", chipNames(), "chip of --plan: NVIDIA's compute capability or Apple's GPU family, one of "+strings.Join(chipNames(), ", "))
	addNumber(c.Flags(), &o.Context, "ctx", "c", 0, 0, maxContext, "context to compute memory for (default the model's, at most 8192)")
	oneOf(c.Flags(), &kv, "kv", "", llm.KVTypes(), "type of the KV cache to compute memory for: f16 or q8_0")
	return c
}

func printJSON(out io.Writer, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := out.Write(show.JSON(b.Bytes()))
	return err
}

func describe(f *format.File, e *chat.Engine, o model.Options) info {
	cfg, t := e.Model.Config, e.Tokenizer
	i := info{File: f.Name(), Architecture: cfg.Arch, Name: cfg.Name, Layers: cfg.Depth, AttentionLayers: cfg.AttentionLayers(),
		DModel: cfg.DModel, Parameters: e.Model.Parameters(), Bytes: int64(len(f.Mapping())), Types: map[string]int64{},
		Context: cfg.Context, Vocab: cfg.Vocab}
	i.Quantization = typeName(f)
	for _, n := range i.AttentionLayers {
		a := cfg.Layers[n].Attention()
		if i.Heads == nil {
			i.Heads = &headsInfo{Query: a.Heads, Dim: a.Dim}
		}
		i.Heads.KV = append(i.Heads.KV, a.KVHeads)
	}
	if h := i.Heads; h != nil {
		slices.Sort(h.KV)
		h.KV = slices.Compact(h.KV)
	}
	i.License, _, _ = f.KV().String("general.license")
	i.BitsPerWeight = float64(i.Bytes) * 8 / float64(i.Parameters)
	i.Tokenizer = tokenizerInfo{Tokens: t.Size(), BOS: t.BOSToken(), EOS: t.EOSToken(), ChatTemplate: e.CanChat() == nil}
	if err := e.CanChat(); err != nil {
		i.Tokenizer.NoChat = advise(err).Error()
	}
	i.Tokenizer.Model, _, _ = f.KV().String("tokenizer.ggml.model")
	i.Memory = memoryInfo{Context: o.Context, Weights: i.Bytes}
	i.Memory.KVCache, i.Memory.State = e.Model.Memory(o)
	i.Memory.Scratch = e.Model.Scratch(o)
	i.Memory.Total = i.Memory.Weights + i.Memory.KVCache + i.Memory.State + i.Memory.Scratch
	for _, t := range f.Tensors() {
		i.Types[t.Type.String()] += int64(t.Values())
	}
	if i.AttentionLayers == nil {
		i.AttentionLayers = []int{} // [] in JSON, not null
	}
	return i
}

func (i *info) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		show.Fprintf(w, "%s\t%s\n", name, show.Own(show.Sprintf(format, args...)))
	}
	row("architecture", "%s", i.Architecture)
	row("name", "%s", i.Name)
	license := "not named in the file"
	if i.License != "" {
		license = i.License
	}
	row("licence", "%s", license)
	row("layers", "%d of %d channels, %s", i.Layers, i.DModel, attentionIn(i.AttentionLayers, i.Layers))
	if h := i.Heads; h != nil {
		row("heads", "%d for queries, %s for keys and values, of %d channels", h.Query, ints(h.KV, " or "), h.Dim)
	}
	row("parameters", "%s", units.Count(i.Parameters))
	row("quantization", "%s", i.Quantization)
	row("file", "%s, %.2f bits per weight", units.Bytes(i.Bytes), i.BitsPerWeight)
	var types []string
	for t := range i.Types {
		types = append(types, t)
	}
	sort.Slice(types, func(a, b int) bool { return i.Types[types[a]] > i.Types[types[b]] })
	for _, t := range types {
		row("  "+t, "%.1f%% of the weights", 100*float64(i.Types[t])/float64(i.Parameters))
	}
	row("context", "%d tokens", i.Context)
	row("tokenizer", "%s, %d tokens (the weights have %d rows), begins with %q, ends with %q", i.Tokenizer.Model, i.Tokenizer.Tokens, i.Vocab, i.Tokenizer.BOS, i.Tokenizer.EOS)
	template := "yes"
	if !i.Tokenizer.ChatTemplate {
		template = "no: " + i.Tokenizer.NoChat
	}
	row("chat template", "%s", template)
	m := i.Memory
	row("memory", "%s at %d tokens: weights %s, KV cache %s, recurrent state %s, activations %s", units.Bytes(m.Total), m.Context, units.Bytes(m.Weights), units.Bytes(m.KVCache), units.Bytes(m.State), units.Bytes(m.Scratch))
	return w.Flush()
}

// attentionIn says which layers are attention.
func attentionIn(list []int, of int) string {
	switch len(list) {
	case 0:
		return "none of them attention"
	case of:
		return "all of them attention"
	}
	return "attention in " + ints(list, ", ")
}

func ints(list []int, between string) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return strings.Join(words, between)
}
