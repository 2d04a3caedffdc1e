// Package convert packs a Hugging Face style checkpoint, or another GGUF, into
// one GGUF file. Each checkpoint layout is one file that recognises its
// tensors and plans the output; the pipeline is the same for all.
package convert

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mil-run/mil/convert/importance"
	"github.com/mil-run/mil/quant"
)

// ErrInterrupted is wrapped by the error of a run whose context was cancelled.
var ErrInterrupted = errors.New("interrupted; nothing was written")

// Options of a conversion.
type Options struct {
	Output    string // path of the file to write
	Type      quant.Mix
	Overrides []Override             // the first that matches a tensor wins over Type
	Weights   *importance.Statistics // the importance matrix; nil: none
	Tokenizer string                 // folder or tokenizer.json, when the checkpoint has none or another is wanted
	Force     bool                   // replace Output if it exists
	// RopeScaling applies a checkpoint's rope_scaling where models of its
	// layout run without it, like those with mha.in_proj.
	RopeScaling bool
	// Progress is called as values are written, with the tensor at hand.
	Progress func(tensor string, done, total int64)
}

// Summary is the result of a conversion.
type Summary struct {
	Arch      string
	Tensors   int
	Params    int64
	Bytes     int64
	Types     map[string]int64 // values stored in each type
	Fallbacks []Fallback
	Weighted  int // tensors packed with the importance matrix
	Warnings  []string
	Time      time.Duration
}

// Fallback lists tensors whose rows the wanted type cannot take.
type Fallback struct {
	RowLen    int
	Want, Got quant.Type
	Tensors   []string
}

// BitsPerWeight is the whole file's size over its parameters.
func (s *Summary) BitsPerWeight() float64 { return float64(s.Bytes) * 8 / float64(s.Params) }

// Run converts the folder or GGUF file at path. Everything that headers and
// configs can tell is checked before the first weight is read. A failed or
// cancelled run leaves nothing behind.
func Run(ctx context.Context, path string, o Options) (*Summary, error) {
	start := time.Now()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	open := openGGUF
	if info.IsDir() {
		open = openFolder
	}
	p, input, err := open(path, o)
	if err != nil {
		return nil, err
	}
	defer input.Close()
	if err := checkOutput(o.Output, p.inputs); err != nil {
		return nil, err
	}
	sum, err := p.write(ctx, o)
	if err != nil {
		return nil, err
	}
	sum.Time = time.Since(start)
	return sum, nil
}

// checkOutput refuses to write over a file that is being read, --force or not.
func checkOutput(path string, inputs []string) error {
	out, err := os.Stat(path)
	if err != nil { // most likely there is none; the writer tells otherwise
		return nil
	}
	if out.IsDir() {
		return fmt.Errorf("write %s: it is a folder; name a file in it", path)
	}
	for _, in := range inputs {
		if st, err := os.Stat(in); err == nil && os.SameFile(st, out) {
			return fmt.Errorf("write %s: it is part of the checkpoint being converted; name another file", path)
		}
	}
	return nil
}
