package source

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"sync"

	"github.com/mil-run/mil/quant"
)

// DType is a tensor's element type.
type DType int

// The element types that ReadRows converts. Everything else a checkpoint may
// hold besides weights (counters, masks) is Unsupported.
const (
	Unsupported DType = iota
	F32
	F16
	BF16
)

// dtype is a file format's name of an element type, and its bytes an element.
type dtype struct {
	dtype DType
	width int64
}

// Tensor is one tensor's description.
type Tensor struct {
	Name     string
	DType    DType
	TypeName string // as the file spells it: "BF16", "LongStorage"
	Shape    []int  // outermost first; empty for a scalar
	File     string // the file's name, without the folder

	src    io.ReaderAt
	offset int64 // in the file
	size   int64 // bytes
}

// Len is the number of values.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape { // checked at Open: the product fits
		n *= d
	}
	return n
}

// Rows is the outermost dimension, 1 for a scalar.
func (t *Tensor) Rows() int {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[0]
}

// RowLen is the number of values a row, all inner dimensions flattened.
func (t *Tensor) RowLen() int {
	n := 1
	for i := 1; i < len(t.Shape); i++ {
		n *= t.Shape[i]
	}
	return n
}

// chunk is how much ReadRows reads at a time: large enough for a disk, small
// enough to stay in a core's cache until it is converted.
const chunk = 256 << 10

var chunks = sync.Pool{New: func() any { return new([chunk]byte) }}

// ReadRows reads rows [row, row+rows) of t's outermost dimension into dst,
// [rows][RowLen], converted to float32.
func (c *Checkpoint) ReadRows(t *Tensor, row, rows int, dst []float32) error {
	if _, _, err := t.spec(); err != nil {
		return err
	}
	if row < 0 || rows < 0 || row > t.Rows()-rows {
		return fmt.Errorf("%s: tensor %s has %d rows, asked for %d from row %d", t.File, Show(t.Name), t.Rows(), rows, row)
	}
	n := t.RowLen()
	if len(dst) != rows*n {
		return fmt.Errorf("%s: tensor %s: %d rows of %d values do not fill %d", t.File, Show(t.Name), rows, n, len(dst))
	}
	return c.ReadValues(t, row*n, dst)
}

// ReadValues reads the values from the given one on into dst, whatever the
// tensor's dimensions.
func (c *Checkpoint) ReadValues(t *Tensor, from int, dst []float32) error {
	spec, width, err := t.spec()
	if err != nil {
		return err
	}
	if from < 0 || len(dst) > t.Len() || from > t.Len()-len(dst) {
		return fmt.Errorf("%s: tensor %s has %d values, asked for %d from value %d", t.File, Show(t.Name), t.Len(), len(dst), from)
	}
	buf := chunks.Get().(*[chunk]byte)
	defer chunks.Put(buf)
	off := t.offset + int64(from)*int64(width)
	for len(dst) > 0 {
		k := min(len(dst), chunk/width)
		b := buf[:k*width]
		if m, err := t.src.ReadAt(b, off); m < len(b) {
			if err == io.EOF { // the size was right at Open
				err = errors.New("the file has shrunk")
			}
			return fmt.Errorf("%s: tensor %s: %w", t.File, Show(t.Name), err)
		}
		spec.Unpack(dst[:k], b)
		dst, off = dst[k:], off+int64(len(b))
	}
	return nil
}

// spec is the conversion of t's values and their width in bytes.
func (t *Tensor) spec() (*quant.Spec, int, error) {
	var q quant.Type
	switch t.DType {
	case F32:
		q = quant.F32
	case F16:
		q = quant.F16
	case BF16:
		q = quant.BF16
	default:
		return nil, 0, fmt.Errorf("%s: tensor %s is %s, not F32, F16 or BF16", t.File, Show(t.Name), Show(t.TypeName))
	}
	s, ok := q.Spec()
	if !ok {
		panic("source: quant lacks a float type")
	}
	return s, s.Bytes, nil
}

// byteSize is the size of a tensor of this shape, false when a dimension is
// negative or the size overflows.
func byteSize(shape []int, width int64) (int64, bool) {
	n := uint64(width)
	empty := false
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		// The product of the others must fit too: RowLen leaves one out.
		if d == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, false
		}
		n = lo
	}
	if empty {
		return 0, true
	}
	return int64(n), true
}
