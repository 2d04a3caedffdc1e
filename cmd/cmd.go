// Package cmd is the command line: one file a subcommand.
package cmd

import (
	"io"

	"github.com/spf13/cobra"
)

// Execute runs the command line args name.
func Execute(args []string, in io.Reader, out, errs io.Writer) error {
	root := &cobra.Command{
		Use:           "mil",
		Short:         "Run distilled hybrid language models offline",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(convertCommand(), infoCommand(), verifyCommand())
	return root.Execute()
}
