package quant_test

import (
	"fmt"

	"github.com/mil-run/mil/quant"
)

// A row becomes blocks, and blocks become a row again.
func ExampleSpec() {
	t, err := quant.Parse("q8_0")
	if err != nil {
		panic(err)
	}
	spec, _ := t.Spec()
	row := make([]float32, spec.Block)
	for i := range row {
		row[i] = float32(i)
	}
	blocks := make([]byte, spec.RowBytes(len(row)))
	spec.Pack(blocks, row)
	back := make([]float32, len(row))
	spec.Unpack(back, blocks)
	fmt.Printf("%d values in %d bytes; 31 comes back as %.2f\n", spec.Block, len(blocks), back[31])
	// Output: 32 values in 34 bytes; 31 comes back as 31.01
}

// A mix chooses a type for each tensor.
func ExampleMix() {
	mix, err := quant.ParseMix("q4_k_m")
	if err != nil {
		panic(err)
	}
	fmt.Println(mix)
	_, err = quant.ParseMix("q9")
	fmt.Println(err != nil)
	// Output:
	// q4_k_m
	// true
}
