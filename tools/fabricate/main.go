// Fabricate writes a model file of a real shape and random weights, for mil
// bench:
//
//	go run ./tools/fabricate SHAPE-MIX FILE
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/mil-run/mil/internal/fabricate"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: fabricate SHAPE-MIX FILE\nshapes:", strings.Join(fabricate.Shapes(), " "))
		os.Exit(2)
	}
	if err := fabricate.Write(os.Args[2], os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "fabricate:", err)
		os.Exit(1)
	}
}
