// Command mil runs distilled hybrid language models on one machine, offline.
package main

import (
	"fmt"
	"os"

	"github.com/mil-run/mil/chat/repl"
	"github.com/mil-run/mil/cmd"
)

func main() {
	if err := cmd.Execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mil:", repl.Line(err))
		os.Exit(cmd.Status(err))
	}
}
