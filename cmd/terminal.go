package cmd

import (
	"os"

	"github.com/mattn/go-isatty"
)

// isTerminal reports whether v, a stream of the command, is a terminal.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
