package cmd

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/show"
)

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify MODEL...",
		Short: "Check the headers and tensors of model files against their checksums",
		Long: `Check the header and every tensor of model files against the checksums in them.
The error names the first damaged tensor, and the exit status is 1. A GGUF file
made by another program has no checksums, so only its structure is checked.`,
		Example:           "  mil verify model.bin\n  mil verify m1-3b m1-8b",
		Args:              atLeastOne("MODEL"),
		ValidArgsFunction: completeModels(-1),
		RunE: func(c *cobra.Command, args []string) error {
			bad := 0
			for _, arg := range args {
				err := verifyModel(c, arg)
				if err != nil && len(args) == 1 {
					return err
				}
				if err != nil {
					bad++
					show.Fprintln(c.ErrOrStderr(), "mil:", advise(err))
				}
			}
			if bad > 0 {
				return fmt.Errorf("%d of %d models cannot be used; see above", bad, len(args))
			}
			return nil
		},
	}
}

// verifyModel checks one model and prints the result.
func verifyModel(c *cobra.Command, arg string) error {
	path, err := findModel(c, arg)
	if err != nil {
		return err
	}
	f, err := openModel(path)
	if err != nil {
		return err
	}
	defer f.Close()
	out := c.OutOrStdout()
	p := verifyProgress(out)
	err = f.Verify(p.step)
	p.end()
	state := "all as written"
	switch {
	case errors.Is(err, format.ErrNoChecksums):
		state = "all within the file; it carries no checksums, so their bytes were not checked"
	case err != nil:
		return err
	}
	_, err = show.Fprintf(out, "%s: %d tensors, %s\n", show.Visible(f.Name()), len(f.Tensors()), state)
	return err
}

// intact checks the checksums of a model from which another file is made, where
// it has any. A file made from damaged weights must not look whole.
func intact(f *format.File) error {
	err := f.Verify(nil)
	if errors.Is(err, format.ErrNoChecksums) {
		return nil
	}
	if errors.Is(err, format.ErrChecksum) {
		return fmt.Errorf("%w; fetch it or make it again", err)
	}
	return err
}

// verifyProgress shows checks of over a second on a terminal. It shows no rates,
// which would count from the bar's begin and not from the work's.
func verifyProgress(out io.Writer) *progress {
	p := newProgress(out, "verifying", progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	p.wait = time.Second
	return p
}
