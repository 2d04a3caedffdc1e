// Package demo holds the model that talks when no other is named: a distilled
// Mamba-2 hybrid of 8 million weights that tells short tales, remembers what
// it was told and adds small numbers.
package demo

import (
	_ "embed"
	"sync"

	"github.com/mil-run/mil/format"
)

//go:generate go run .. convert ../testdata/demo/hybrid-mamba2 -o model.bin --type q8_0 --force

//go:embed model.bin
var data []byte

// Name stands for the model in messages.
const Name = "demo"

var aligned = sync.OnceValue(func() []byte { return format.Aligned(data) })

// Open opens the model, which is copied once to where its tensors are aligned.
func Open() (*format.File, error) { return format.Parse(aligned(), Name) }
