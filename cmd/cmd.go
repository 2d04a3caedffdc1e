// Package cmd is the command line: one file a subcommand.
package cmd

import (
	"io"

	"github.com/spf13/cobra"
)

// Execute runs the command line args name.
func Execute(args []string, in io.Reader, out, errs io.Writer) error {
	root := &cobra.Command{
		Use:   "mil",
		Short: "Run distilled hybrid language models offline",
		Long: `mil runs distilled hybrid language models (Mamba layers among attention layers)
on this machine, offline. A model is one file. mil convert makes it from a
checkpoint, and mil pull downloads the checkpoint first. Only mil pull uses the
network. Where a command takes a MODEL, give a file, or the name of a model that
mil list shows. The name demo is the model inside mil.

The exit status is 0, or 1 after an error, 2 after a command line that makes no
sense, 130 after Ctrl-C. mil batch has two more.`,
		Example: `  mil chat                                  talk with the demo inside mil
  mil pull OWNER/REPO                       download a checkpoint from Hugging Face and pack it
  mil convert models/M1-3B                  pack a checkpoint folder; its name is m1-3b then
  mil list                                  list the models that have a name
  mil chat m1-3b                            talk with it
  cat notes.txt | mil run m1-3b "Summarise:"`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return nil
		},
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.AddCommand(chatCommand(), runCommand(), convertCommand(), modelFlag(infoCommand()), modelFlag(tokenizeCommand()), modelFlag(logitsCommand()), verifyCommand(), modelFlag(evalCommand()), modelFlag(imatrixCommand()), modelFlag(benchCommand()), selftestCommand(), licensesCommand(), listCommand(), removeCommand(), pullCommand(), serveCommand(), batchCommand())
	addText(root.PersistentFlags(), new(string), "models", "", "DIR", "folder of the models (default in the user's data folder)")
	root.SetGlobalNormalizationFunc(normalize)
	root.SetHelpCommand(helpCommand(root))
	for _, c := range root.Commands() {
		complete(c)
	}
	plainFlags(root)
	strict(root, args)
	return advise(root.Execute())
}
