package backend

import "github.com/mil-run/mil/quant"

// Tensor is a weight matrix [Rows][Cols] (a vector has Rows 1) in mapped memory.
type Tensor struct {
	Name       string
	Type       quant.Type
	Rows, Cols int
	Buf        Buffer
	Off        int // bytes into Buf
}

// Bytes is the tensor's size in memory.
func (t *Tensor) Bytes() int {
	s, ok := t.Type.Spec()
	if !ok {
		panic("backend: tensor " + t.Name + " has " + t.Type.String())
	}
	return t.Rows * s.RowBytes(t.Cols)
}

// Value is an activation a node writes: [tokens][width] float32.
type Value int

// None takes the place of a value where a node has none.
const None Value = -1

// Slice is a range of a value's channels: [tokens][N] starting at Off.
type Slice struct {
	V      Value
	Off, N int
}
