package cmd

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/internal/whole"
)

// benchmark is the JSON of `mil bench --json` for a model. Rates are in decimal
// units. Shares are of the machine's rates, measured in the same run.
type benchmark struct {
	Model         string        `json:"model"`
	Architecture  string        `json:"architecture"`
	FileBytes     int64         `json:"file_bytes"`
	BytesPerToken int64         `json:"bytes_per_token"` // weights one token's pass reads
	MACsPerToken  int64         `json:"macs_per_token"`  // multiply-adds of a prompt's token with weights
	ReadGBs       float64       `json:"read_gb_s"`
	Int8GMACs     float64       `json:"int8_gmac_s"`
	Backend       string        `json:"backend"` // on cuda nothing is compared with the processor's rates
	ISA           string        `json:"isa"`
	Threads       int           `json:"threads"`
	Results       []benchResult `json:"results"`
}

// benchResult is the medians at one depth and their spread: slowest to fastest,
// over the median.
type benchResult struct {
	Depth        int     `json:"depth"`
	PromptTokens int     `json:"prompt_tokens"`
	PromptTokS   float64 `json:"prompt_tok_s"`
	PromptSpread float64 `json:"prompt_spread"`
	PromptShare  float64 `json:"prompt_share"` // of the int8 rate
	GenTokens    int     `json:"gen_tokens"`
	GenTokS      float64 `json:"gen_tok_s"`
	GenSpread    float64 `json:"gen_spread"`
	GenShare     float64 `json:"gen_share"`  // of the read rate, by ReadBytes
	ReadBytes    int64   `json:"read_bytes"` // weights, KV cache and state a token at this depth reads
	// Streams, where they were asked for, generate in the same passes. GenTokS is then
	// their sum, and a gap the seconds between two tokens of a stream.
	Streams     int     `json:"streams,omitempty"`
	GapP50      float64 `json:"gap_p50_s,omitempty"`
	GapP99      float64 `json:"gap_p99_s,omitempty"`
	StreamBytes int64   `json:"stream_bytes,omitempty"` // keys, values and state that all streams touch
	// Beside is how the streams go on while a prompt is read, with --beside.
	Beside *besideResult `json:"beside,omitempty"`
	// GPU is the parts of a token's time on a card. HostMicros is the rest of
	// its time: the launch, the way back, the choice.
	GPU        *backend.Gauge `json:"gpu,omitempty"`
	HostMicros float64        `json:"host_us,omitempty"`
	Rows       []rowsResult   `json:"rows,omitempty"` // with --rows
}

// benchFlags are the command's.
type benchFlags struct {
	runFlags
	draftFlags
	messages          string
	depths, rows      []int
	streams           []int
	beside            int
	prompt, gen, runs int
	plot              string
	asJSON            bool
}

func benchCommand() *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench [MODEL...]",
		Short: "Measure speed, and compare it with the machine's own rates",
		Long: `Measure how fast models read prompts and generate, at one or more depths of
context. The same run measures, with the same threads, how fast this machine reads
memory and multiplies bytes, and compares the two. Without MODEL the demo inside
mil runs. Figures are medians over the runs, after a warm-up. docs/performance.md
describes the method.`,
		Example: `  mil bench
  mil bench model.bin --depths 0,4096,16384 --plot speed.svg
  mil bench a.bin b.gguf --json
  mil bench model.bin --draft small.bin --gen 128
  mil bench model.bin --streams 1,4,8         # several conversations in one pass
  mil bench model.bin --streams 4 --beside 8000  # and the gaps while a long prompt is read`,
		ValidArgsFunction: completeModels(-1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			paths := []string{""}
			if len(args) > 0 {
				paths = nil
			}
			for _, arg := range args {
				path, err := findModel(c, arg)
				if err != nil {
					return err
				}
				paths = append(paths, path)
			}
			f.warn = c.ErrOrStderr()
			defer f.close()
			if f.draft != "" {
				return f.drafts(c, paths)
			}
			if f.messages != "" {
				return usagef("--messages goes with --draft")
			}
			var list []benchmark
			for _, path := range paths {
				b, err := f.model(path, c.ErrOrStderr())
				if err != nil {
					return err
				}
				list = append(list, b)
				if !f.asJSON {
					if err := b.print(c.OutOrStdout()); err != nil {
						return err
					}
				}
			}
			if f.plot != "" {
				if err := whole.Write(f.plot, 0o666, func(w io.Writer) error { return plotSVG(w, list) }); err != nil {
					return err
				}
			}
			if f.asJSON {
				return printJSON(c.OutOrStdout(), list)
			}
			return nil
		},
	}
	set := c.Flags()
	f.addMachine(set)
	f.draftFlags.add(set)
	addText(set, &f.messages, "messages", "", "FILE", "with --draft: file with a JSON object {\"messages\": [...]} a line (default twenty tales)")
	f.depths = []int{0}
	set.Var(&numbers{&f.depths, 0, maxContext / 4}, "depths", "tokens of context before the timed ones, separated by commas")
	set.Var(&numbers{&f.streams, 1, backend.MaxRows}, "streams", "measure generation of several streams that share passes; numbers separated by commas")
	addNumber(set, &f.beside, "beside", "", 0, 0, maxContext/4, "with --streams: read a prompt of N tokens beside the streams, and show the gaps between their tokens")
	addNumber(set, &f.prompt, "prompt", "", 512, 0, maxContext/4, "tokens of the prompt; 0 skips the prompt")
	addNumber(set, &f.gen, "gen", "", 64, 0, maxContext/4, "tokens to generate; 0 skips generation")
	addNumber(set, &f.runs, "runs", "", 3, 1, maxContext/4, "timed runs, after one warm-up")
	set.Var(&numbers{&f.rows, 1, backend.MaxVerify}, "rows", "time passes of these numbers of tokens too, each compared with a pass of one token; numbers separated by commas")
	addText(set, &f.plot, "plot", "", "FILE", "write speed over depth to this SVG file")
	set.BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

func (f *benchFlags) check() error {
	if f.prompt+f.gen+len(f.rows) == 0 || len(f.streams) > 0 && f.gen == 0 {
		return usagef("there is nothing to time; see mil bench --help")
	}
	if len(f.streams) > 0 && (f.draft != "" || f.plot != "") {
		return usagef("--streams goes with neither --draft nor --plot")
	}
	if len(f.rows) > 0 && (f.draft != "" || len(f.streams) > 0) {
		return usagef("--rows goes with neither --draft nor --streams")
	}
	if f.beside > 0 && len(f.streams) == 0 {
		return usagef("--beside goes with --streams")
	}
	if f.plot != "" {
		if st, err := os.Stat(f.plot); err == nil && st.IsDir() {
			return fmt.Errorf("--plot: %s is a folder", f.plot)
		}
	}
	return nil
}

func (b *benchmark) print(out io.Writer) error {
	show.Fprintf(out, "%s (%s): %s of weights and %s multiply-adds a token\n", b.Model, b.Architecture, units.Bytes(b.BytesPerToken), units.Count(b.MACsPerToken))
	if b.Backend != "cpu" {
		fmt.Fprintln(out, "computed by the GPU")
	}
	show.Fprintf(out, "this machine, %d threads, %s: reads %.1f GB/s, makes %.0f G multiply-adds of int8 a second\n\n", b.Threads, b.ISA, b.ReadGBs, b.Int8GMACs)
	if len(b.Results) > 0 && b.Results[0].Streams > 0 {
		return b.printStreams(out)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "depth\tprompt tok/s\tspread\tof int8\tgen tok/s\tspread\tof reading\t")
	for _, r := range b.Results {
		show.Fprintf(w, "%d\t%s\t%s\t\n", r.Depth, speed(r.PromptTokens, r.PromptTokS, r.PromptSpread, r.PromptShare), speed(r.GenTokens, r.GenTokS, r.GenSpread, r.GenShare))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range b.Results {
		if g := r.GPU; g != nil {
			show.Fprintf(out, "depth %d: a pass %.2f ms on the card, its %d launches alone %.2f; a token %.0f us more for launch, way back and choice; the card copies %.2f TB/s, read and written\n",
				r.Depth, 1e3*g.Pass, g.Launches, 1e3*g.Kernels, r.HostMicros, g.CopyRate/1e12)
		}
	}
	if err := b.printRows(out); err != nil {
		return err
	}
	if len(b.Results) > 1 {
		plotText(out, b)
	}
	_, err := fmt.Fprintln(out)
	return err
}

// speed is three cells of the table.
func speed(tokens int, rate, spread, share float64) show.Own {
	if tokens == 0 {
		return "-\t-\t-"
	}
	of := "-"
	if share > 0 {
		of = fmt.Sprintf("%.0f%%", 100*share)
	}
	return show.Own(fmt.Sprintf("%s\t%.0f%%\t%s", units.Rate(rate), 100*spread, of))
}
