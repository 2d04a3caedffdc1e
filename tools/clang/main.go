// Command clang prints the newest clang that can build the stand-in for Metal,
// or says why none here can.
package main

import (
	"fmt"
	"os"

	"github.com/mil-run/mil/internal/clang"
)

func main() {
	path, err := clang.Find()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(path)
}
