// Package cmd is the command line: one file a subcommand.
package cmd

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Execute runs the command line args name.
func Execute(args []string, in io.Reader, out, errs io.Writer) error {
	root := &cobra.Command{
		Use:   "mil",
		Short: "Run distilled hybrid language models offline",
		Long: `mil runs distilled hybrid language models (Mamba layers among attention layers)
on this machine, offline. A model is one file, made by mil convert.`,
		Example: `  mil chat                              talk with the demo inside mil
  mil convert CHECKPOINT -o model.bin   pack a Hugging Face style folder
  mil chat model.bin                    talk with it
  cat notes.txt | mil run model.bin "Summarise:"`,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(chatCommand(), runCommand(), convertCommand(), infoCommand(), tokenizeCommand(), logitsCommand(), verifyCommand(), evalCommand(), imatrixCommand(), benchCommand(), selftestCommand(), licensesCommand())
	return root.Execute()
}

// exactly demands the named positional arguments, no more and no fewer.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return fmt.Errorf("%s takes %s, not %d arguments; see %s --help", c.CommandPath(), strings.Join(names, " and "), len(args), c.CommandPath())
	}
}
