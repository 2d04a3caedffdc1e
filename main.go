// Command mil runs distilled hybrid language models on one machine, offline.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/mil-run/mil/cmd"
)

func main() {
	if err := cmd.Execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "mil:", strings.ReplaceAll(err.Error(), "\n", "; "))
		os.Exit(1)
	}
}
