package convert_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mil-run/mil/convert"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/quant"
)

// A checkpoint folder becomes one file.
func ExampleRun() {
	dir, err := os.MkdirTemp("", "convert")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	mix, err := quant.ParseMix("q8_0")
	if err != nil {
		panic(err)
	}
	o := convert.Options{Output: filepath.Join(dir, "model.bin"), Type: mix}
	s, err := convert.Run(context.Background(), testutil.Data("fixtures", "llama"), o)
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Arch, s.Tensors, "tensors")
	// Output: llama 39 tensors
}
