package format_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/quant"
)

// A file has keys and tensors. Tensors are read under Guard, since a mapped file
// may shrink.
func ExampleFile() {
	f, err := demo.Open() // or format.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	layers, _, err := f.KV().Uint(format.Arch + ".block_count")
	if err != nil {
		panic(err)
	}
	t, _ := f.Tensor("token_embd.weight")
	fmt.Println(layers, "layers;", t.Name, t.Dims, t.Type)
	var first byte
	if err := format.Guard(func() { first = f.Data(t)[0] }); err != nil {
		panic(err)
	}
	_ = first
	// Output: 8 layers; token_embd.weight [256 2560] q8_0
}

// A new file appears whole or not at all.
func ExampleWriter() {
	dir, err := os.MkdirTemp("", "format")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "small.gguf")
	w := format.NewWriter(path, false)
	defer w.Abort()
	w.Set("general.architecture", "example")
	w.Add("weights", quant.F32, 2) // a row of two values
	if err := w.Begin(); err != nil {
		panic(err)
	}
	var data []byte
	for _, v := range []float32{1, -2} {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	if _, err := w.Write(data); err != nil {
		panic(err)
	}
	if err := w.Finish(); err != nil {
		panic(err)
	}

	f, err := format.Open(path)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	t, _ := f.Tensor("weights")
	fmt.Println(t.Values(), t.Size, f.Verify(nil))
	// Output: 2 8 <nil>
}
