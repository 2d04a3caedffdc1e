// Package demo holds the model that talks when no other is named: a distilled
// Mamba-2 hybrid of 8 million weights that tells short tales, remembers what
// it was told and adds small numbers. Beside it lies a draft for speculation, a
// Transformer of two layers distilled from the same teacher.
package demo

import (
	_ "embed"
	"sync"

	"github.com/mil-run/mil/format"
)

//go:generate go run ../.. convert ../../testdata/demo/hybrid-mamba2 -o model.bin --type q8_0 --force
//go:generate go run ../.. convert ../../testdata/demo/draft -o draft.bin --type q8_0 --force

//go:embed model.bin
var model []byte

//go:embed draft.bin
var draft []byte

// The models' names in messages.
const (
	Name      = "demo"
	DraftName = "demo draft"
)

var (
	alignedModel = sync.OnceValue(func() []byte { return format.Aligned(model) })
	alignedDraft = sync.OnceValue(func() []byte { return format.Aligned(draft) })
)

// Open opens the model, which is copied once to where its tensors are aligned.
func Open() (*format.File, error) { return format.Parse(alignedModel(), Name) }

// OpenDraft opens the draft.
func OpenDraft() (*format.File, error) { return format.Parse(alignedDraft(), DraftName) }
