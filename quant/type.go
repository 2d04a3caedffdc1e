// Package quant holds ggml's block formats: how float32 rows are packed into
// blocks and unpacked again. Block bytes are ggml's, bit for bit.
package quant

import (
	"fmt"
	"strings"
)

// Type is a tensor's element type; the values are ggml's type ids.
type Type uint32

// The types mil reads and writes.
const (
	F32    Type = 0
	F16    Type = 1
	Q4_0   Type = 2
	Q4_1   Type = 3
	Q5_0   Type = 6
	Q5_1   Type = 7
	Q8_0   Type = 8
	Q2_K   Type = 10
	Q3_K   Type = 11
	Q4_K   Type = 12
	Q5_K   Type = 13
	Q6_K   Type = 14
	IQ4_NL Type = 20
	IQ4_XS Type = 23
	BF16   Type = 30
	MXFP4  Type = 39
)

// Spec says how a type lies in memory and how rows become blocks.
type Spec struct {
	Type  Type
	Name  string // as the command line spells it: "q4_k"
	Block int    // values a block; 1 for float types
	Bytes int    // bytes a block
	Class Class
	// FileType is llama.cpp's number in general.file_type for a file whose
	// matrices have this type.
	FileType uint32
	// Pack encodes src, whose length is a multiple of Block, into dst.
	Pack func(dst []byte, src []float32)
	// Unpack decodes src into dst, whose length is a multiple of Block.
	Unpack func(dst []float32, src []byte)
	// weigh packs one block of tame values for its inputs; nil for floats.
	weigh func(dst []byte, f *fit)
}

// RowBytes is the size of a row of n values; n is a multiple of Block.
func (s *Spec) RowBytes(n int) int { return n / s.Block * s.Bytes }

// Spec returns the description of t, or false for a type mil does not know.
func (t Type) Spec() (*Spec, bool) {
	for _, s := range specs {
		if s.Type == t {
			return s, true
		}
	}
	return nil, false
}

// String is the type's name as the command line spells it, ggml's name of an
// unsupported type, or "type N" of an unknown one.
func (t Type) String() string {
	if s, ok := t.Spec(); ok {
		return s.Name
	}
	if name, ok := t.Known(); ok {
		return name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Types lists the known types, floats first, then by falling precision.
func Types() []Type {
	ts := make([]Type, len(specs))
	for i, s := range specs {
		ts[i] = s.Type
	}
	return ts
}

// Parse finds a type by name, in either case.
func Parse(name string) (Type, error) {
	var known []string
	for _, s := range specs {
		if strings.EqualFold(s.Name, name) {
			return s.Type, nil
		}
		known = append(known, s.Name)
	}
	return 0, fmt.Errorf("unknown type %q (known: %s)", name, strings.Join(known, " "))
}
