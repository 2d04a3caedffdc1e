package cmd

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/convert"
	"github.com/mil-run/mil/convert/importance"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/internal/models"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/quant"
)

func convertCommand() *cobra.Command {
	var o convert.Options
	var mix, weights string
	var overrides []string
	c := &cobra.Command{
		Use:   "convert CHECKPOINT",
		Short: "Pack a checkpoint folder, or another GGUF file, into one model file",
		Long: `Pack a Hugging Face style folder (config.json, safetensors or pytorch_model.bin,
tokenizer.json) into one GGUF file, or write a GGUF file anew in another type.

Types: ` + strings.Join(quant.MixNames(), " ") + `.

K types need rows of whole blocks of 256 values. A tensor with other rows becomes
q8_0, or f16, and the summary says so.

Without -o the file goes to the folder of models and gets a name there. Every command
that takes a MODEL takes that name. models/M1-3B becomes m1-3b, and a model file's
name gets the new type behind it. mil list shows the names.`,
		Example: `  mil convert models/M1-3B && mil chat m1-3b
  mil convert models/M1-3B -o m1.bin --type q8_0
  mil convert models/mamba-130m --tokenizer models/gpt-neox-20b
  mil convert m1.bin -o m1-f32.bin --type f32
  mil convert models/M1-3B --type q4_k --imatrix m1.imatrix --tensor-type 'blk.*.ssm_in.weight=q6_k'`,
		Args:              exactly("CHECKPOINT"),
		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			if o.Type, err = quant.ParseMix(mix); err != nil {
				return usagef("--type: %w", err)
			}
			for _, s := range overrides {
				v, err := convert.ParseOverride(s)
				if err != nil {
					return usagef("--tensor-type: %w", err)
				}
				o.Overrides = append(o.Overrides, v)
			}
			from, err := findCheckpoint(c, args[0])
			if err != nil {
				return err
			}
			if weights != "" {
				if o.Weights, err = openImportance(weights); err != nil {
					return fmt.Errorf("--imatrix: %w", err)
				}
			}
			name := ""
			if o.Output == "" {
				if name, o.Output, err = newModel(c, args[0], from, o.Type); err != nil {
					return err
				}
			}
			ctx, stop := interruptible()
			defer stop()
			out := c.OutOrStdout()
			p := convertProgress(out)
			o.Progress = p.steps
			sum, err := convert.Run(ctx, from, o)
			p.end()
			if err != nil {
				return err
			}
			for _, w := range sum.Warnings {
				show.Fprintln(c.ErrOrStderr(), "mil: warning:", errors.New(w))
			}
			return printSummary(out, o.Output, name, sum)
		},
	}
	addText(c.Flags(), &o.Output, "output", "o", "FILE", "the file to write (default one in the folder of models)")
	mix = "q4_k_m"
	addText(c.Flags(), &mix, "type", "", "TYPE", "type of the weights")
	addText(c.Flags(), &o.Tokenizer, "tokenizer", "", "FOLDER", "folder or tokenizer.json with the tokenizer")
	c.Flags().Var(&texts{&overrides, "PATTERN=TYPE"}, "tensor-type", "store the tensors with these names in another type, as in 'blk.*.ssm_in.weight=q8_0'; may be given several times, and the first that matches counts")
	addText(c.Flags(), &weights, "imatrix", "", "FILE", "importance matrix made by mil imatrix; quantization then errs where it matters least")
	c.Flags().BoolVar(&o.RopeScaling, "rope-scaling", false, "apply the checkpoint's rope_scaling even if its family runs without it (names with mha.in_proj, such as M1)")
	c.Flags().BoolVar(&o.Force, "force", false, "replace the file if it exists")
	return c
}

// openImportance reads an importance matrix, to be used on the fast kernels.
func openImportance(path string) (*importance.Statistics, error) {
	s, err := importance.Open(path)
	if err != nil {
		return nil, err
	}
	if k := kernel.Best(); k != nil {
		s.Multiply = k.Multiplier()
	}
	return s, nil
}

// findCheckpoint is the path of the source of a conversion: a folder, a file,
// or a model by its name.
func findCheckpoint(c *cobra.Command, arg string) (string, error) {
	if st, err := os.Stat(arg); err == nil && st.IsDir() {
		return arg, nil
	}
	path, err := findModel(c, arg)
	if err == nil && path == "" {
		err = errors.New("demo is inside mil, and is no file to convert")
	}
	return path, err
}

// newModel is the name and the path of a model without a given name. It is
// named after the checkpoint, or after a model file and the type.
func newModel(c *cobra.Command, arg, from string, t quant.Mix) (name, path string, err error) {
	name = models.NameFor(from)
	if st, err := os.Stat(from); err == nil && !st.IsDir() {
		for _, old := range quant.MixNames() {
			name = strings.TrimSuffix(name, "-"+old)
		}
		name += "-" + t.String()
	}
	folder := modelsFolder(c)
	if path, err = folder.Path(name); err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(string(folder), 0o755); err != nil {
		return "", "", err
	}
	return name, path, nil
}

// convertProgress shows how far a conversion is.
func convertProgress(out io.Writer) *progress {
	p := newProgress(out, "converting")
	p.line = func(percent int64, tensor string, _ int64) string { return fmt.Sprintf("%3d%% %s", percent, tensor) }
	return p
}

// printSummary prints the result of a conversion. name is the model's in the
// folder of models, or "".
func printSummary(out io.Writer, path, name string, s *convert.Summary) error {
	var b strings.Builder
	show.Fprintf(&b, "wrote         %s\n", path)
	if name != "" {
		show.Fprintf(&b, "name          %s, as in: mil chat %s\n", name, name)
	}
	show.Fprintf(&b, "architecture  %s\n", s.Arch)
	show.Fprintf(&b, "tensors       %d, %s parameters\n", s.Tensors, units.Count(s.Params))
	show.Fprintf(&b, "size          %s, %.2f bits per weight\n", units.Bytes(s.Bytes), s.BitsPerWeight())
	var types []string
	for t := range s.Types {
		types = append(types, t)
	}
	slices.SortFunc(types, func(x, y string) int { return int(s.Types[y] - s.Types[x]) })
	for i, t := range types {
		types[i] = fmt.Sprintf("%s %.1f%%", t, 100*float64(s.Types[t])/float64(s.Params))
	}
	show.Fprintf(&b, "types         %s\n", show.Own(strings.Join(types, ", ")))
	for _, f := range s.Fallbacks {
		show.Fprintf(&b, "fallback      %s instead of %s, whose blocks do not fit rows of %d: %s\n", f.Got, f.Want, f.RowLen, some(f.Tensors))
	}
	if s.Weighted > 0 {
		show.Fprintf(&b, "weighted      %d tensors, for the inputs --imatrix tells of\n", s.Weighted)
	}
	show.Fprintf(&b, "time          %.1f s\n", s.Time.Seconds())
	_, err := io.WriteString(out, show.Visible(b.String())) // names come out of the file
	return err
}

// some lists the first few of many names.
func some(names []string) string {
	const most = 3
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
