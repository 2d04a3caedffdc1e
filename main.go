// Command mil runs distilled hybrid language models on one machine, offline.
package main

import (
	"fmt"
	"os"

	"github.com/mil-run/mil/cmd"
	"github.com/mil-run/mil/internal/show"
)

func main() {
	if err := cmd.Execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mil:", show.Line(err))
		os.Exit(cmd.Status(err))
	}
}
