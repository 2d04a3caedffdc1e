// Command gen compiles the CUDA kernels to PTX, which is committed beside them,
// compressed, and lists them in manifest.txt:
//
//	go run ./cuda/kernels/gen          all of them
//	go run ./cuda/kernels/gen scan2    those whose module's name begins so
//
// It needs clang-19, and no CUDA toolkit.
package main

import (
	"fmt"
	"os"
	"strings"
)

func main() {
	const dir = "cuda/kernels"
	units, err := units(dir)
	if err != nil {
		fatal(err)
	}
	modules, err := readManifest(dir)
	if err != nil {
		fatal(err)
	}
	for _, u := range units {
		if len(os.Args) > 1 && !strings.HasPrefix(u.name, os.Args[1]) {
			continue
		}
		digest, err := u.digest(dir)
		if err != nil {
			fatal(err)
		}
		text, err := u.compile(dir)
		if err == nil {
			err = os.WriteFile(dir+"/"+u.file(), pack(text), 0o644)
		}
		if err != nil {
			fatal(err)
		}
		modules[u.heading()] = u.entries(digest, text)
	}
	if err := writeManifest(dir, units, modules); err != nil {
		fatal(err)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "gen:", err)
	os.Exit(1)
}
