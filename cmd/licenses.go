package cmd

import (
	_ "embed"
	"io"

	"github.com/spf13/cobra"
)

// licenses.txt names every module of go.mod and holds its licence; a test keeps
// it current.
//
//go:embed licenses.txt
var licenses string

func licensesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "licenses",
		Short: "Print the licences of mil and of the libraries in it",
		Args:  atMost(),
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := io.WriteString(c.OutOrStdout(), licenses)
			return err
		},
	}
}
