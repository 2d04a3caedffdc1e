package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/format"
)

func verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "verify FILE",
		Short:   "Check a model file's header and every tensor against its checksums",
		Example: "  mil verify model.bin",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f, err := format.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			if err := f.Verify(nil); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: %d tensors, all as written\n", args[0], len(f.Tensors()))
			return nil
		},
	}
}
