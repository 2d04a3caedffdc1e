package cmd

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/convert/importance"
	"github.com/mil-run/mil/eval"
	"github.com/mil-run/mil/model"
)

func imatrixCommand() *cobra.Command {
	var text, output string
	var window, threads int
	var special, force bool
	c := &cobra.Command{
		Use:   "imatrix MODEL",
		Short: "Gather from a text which columns of a model's weights matter, for convert --imatrix",
		Long: `Read a text with a model and write down what each weight matrix is multiplied by:
the squares of every column's inputs, and their products with its neighbours'.
Quantization with convert --imatrix then errs where it costs least, at no cost in
size. The file takes one kilobyte for each column of each matrix.

The plain Go backend computes, since it sees every input as it is; it is slow, and
some 10,000 tokens of text like what the model will read are enough.`,
		Example: "  mil imatrix m1-f16.bin -f text.txt -o m1.imatrix\n  mil convert models/M1-3B --type q4_k --imatrix m1.imatrix",
		Args:    exactly("MODEL"),

		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			path, err := findModel(c, args[0])
			if err != nil {
				return err
			}
			file, err := openModel(path)
			if err != nil {
				return err
			}
			defer file.Close()
			if err := intact(file); err != nil {
				return err
			}
			e, err := chat.Open(file)
			if err != nil {
				return err
			}
			t, err := readText(e, text, special)
			if err != nil {
				return err
			}
			stats := importance.New()
			b := ref.New(threads)
			b.Observe = func(w *backend.Tensor, x []float32) { stats.Add(w.Name, x) }
			s, err := e.Model.NewSession(b, model.Options{Context: window})
			if err != nil {
				return file.Named(err)
			}
			defer s.Close()
			ctx, stop := interruptible()
			defer stop()
			report, end := tokenProgress(c.ErrOrStderr(), "reading")
			err = eval.Read(ctx, t, s, report)
			end()
			if err != nil {
				return file.Named(err)
			}
			if err := stats.Save(output, filepath.Base(text), window, force); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "wrote %s: %d matrices, %d tokens\n", output, stats.Len(), len(t.IDs))
			return err
		},
	}
	addText(c.Flags(), &text, "file", "f", "FILE", "the text to read")
	addText(c.Flags(), &output, "output", "o", "FILE", "the file to write")
	addNumber(c.Flags(), &window, "ctx", "c", 512, 1, maxContext, "tokens read at a time, each of which sees those before it")
	addNumber(c.Flags(), &threads, "threads", "t", 0, 0, maxThreads, "threads to compute with (default one a core)")
	c.Flags().BoolVar(&special, "special", false, "texts of special tokens in the file are those tokens")
	c.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	c.MarkFlagRequired("file")
	c.MarkFlagRequired("output")
	return c
}
