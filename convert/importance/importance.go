// Package importance keeps importance matrices, which describe the inputs of a
// model's weight matrices. An error in a column of large inputs costs more, and
// errors of columns whose inputs go together may cancel. The file is GGUF, of
// general.type "imatrix". For each matrix NAME it has the f32 tensors
// NAME.in_sum2 [columns], the sums of squared inputs; NAME.in_cov
// [columns][256], where columns are a multiple of 256, the sums of products
// with the inputs of columns of the same 256, from which only those up to the
// column's own are read; and NAME.counts [1], the number of inputs. llama.cpp's
// files have the first and the last.
package importance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

const (
	sumSuffix   = ".in_sum2"
	covSuffix   = ".in_cov" // ours alone
	countSuffix = ".counts"
)

// Statistics is an importance matrix: sums over inputs, by the name of the
// matrix they entered.
type Statistics struct {
	Path string // of the file they were read from, for messages
	// Multiply is that of the Inputs, nil for plain Go.
	Multiply func(out, e, cov []float32)
	entries  map[string]*quant.Moments
}

// New is an empty importance matrix.
func New() *Statistics { return &Statistics{entries: map[string]*quant.Moments{}} }

// Of are the sums of matrices that share their inputs, of cols columns.
func (s *Statistics) Of(cols int, names ...string) *quant.Moments {
	m := s.entries[names[0]]
	if m == nil {
		m = quant.NewMoments(cols)
		for _, name := range names {
			s.entries[name] = m
		}
	}
	return m
}

// Len is the number of matrices.
func (s *Statistics) Len() int { return len(s.entries) }

// Has says whether inputs of a matrix are known. Those must have cols columns.
func (s *Statistics) Has(name string, cols int) (bool, error) {
	e := s.entries[name]
	if e == nil {
		return false, nil
	}
	if len(e.Squares) != cols {
		return false, fmt.Errorf("%s: tensor %s has %d columns there and %d in the model: it is another model's", s.Path, name, len(e.Squares), cols)
	}
	return slices.ContainsFunc(e.Squares, func(v float64) bool { return v > 0 }), nil
}

// together is how far products of different columns are believed. A text is
// only part of a model's reading, and inputs that always went together in it
// need not do so elsewhere.
const together = 0.9

// Inputs are those of a matrix that Has knows: squares over their mean, and the
// products, a little lessened, in proportion. A column that no input touched
// counts as the mean does, so that all such columns count the same.
func (s *Statistics) Inputs(name string) (in quant.Inputs) {
	e := s.entries[name]
	var total float64
	touched := 0
	for _, v := range e.Squares {
		if v > 0 {
			total += v
			touched++
		}
	}
	mean := total / float64(touched)
	in.Multiply = s.Multiply
	in.Square = make([]float32, len(e.Squares))
	for i, v := range e.Squares {
		if in.Square[i] = 1; v > 0 {
			in.Square[i] = float32(v / mean)
		}
	}
	if e.Products == nil {
		return in
	}
	in.Cov = make([]float32, len(e.Products))
	for i := range e.Squares {
		first := i &^ (quant.CovWidth - 1)
		for j := first; j < i; j++ {
			v := float32(together * float64(e.Products[i*quant.CovWidth+j-first]) / mean)
			in.Cov[i*quant.CovWidth+j-first] = v
			in.Cov[j*quant.CovWidth+i-first] = v
		}
		in.Cov[i*quant.CovWidth+i-first] = in.Square[i]
	}
	return in
}

// Vacant checks that Save could make a file at the path.
func Vacant(path string, force bool) error { return format.NewWriter(path, force).Vacant() }

// Save writes the file. text names the text that the inputs came from, which was
// read in windows of the given number of tokens.
func (s *Statistics) Save(path, text string, window int, force bool) error {
	w := format.NewWriter(path, force)
	defer w.Abort()
	w.Set("general.type", "imatrix")
	w.Set("imatrix.datasets", []string{text})
	names := slices.Sorted(maps.Keys(s.entries))
	var most int64
	for _, e := range s.entries {
		most = max(most, e.Count)
	}
	w.Set("imatrix.chunk_count", uint32((most+int64(window)-1)/int64(window)))
	w.Set("imatrix.chunk_size", uint32(window))
	for _, name := range names {
		cols := uint64(len(s.entries[name].Squares))
		w.Add(name+sumSuffix, quant.F32, cols)
		if s.entries[name].Products != nil {
			w.Add(name+covSuffix, quant.F32, quant.CovWidth, cols)
		}
		w.Add(name+countSuffix, quant.F32, 1)
	}
	if err := w.Begin(); err != nil {
		return err
	}
	spec, _ := quant.F32.Spec()
	for _, name := range names {
		e := s.entries[name]
		sums := make([]float32, len(e.Squares))
		for i, v := range e.Squares {
			sums[i] = float32(v)
		}
		mirror(e)
		for _, part := range [][]float32{sums, e.Products, {float32(e.Count)}} {
			b := make([]byte, 4*len(part))
			spec.Pack(b, part)
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return w.Finish()
}

// mirror writes the products that do not count as those they mirror, so that a
// file's bytes do not depend on how the sums were made.
func mirror(m *quant.Moments) {
	for i := range len(m.Products) / quant.CovWidth {
		first := i &^ (quant.CovWidth - 1)
		for j := first; j < i; j++ {
			m.Products[j*quant.CovWidth+i-first] = m.Products[i*quant.CovWidth+j-first]
		}
	}
}

// Open reads an importance matrix.
func Open(path string) (*Statistics, error) {
	f, err := format.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := New()
	s.Path = path
	if fault := format.Guard(func() { err = s.read(f) }); fault != nil {
		err = fault
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *Statistics) read(f *format.File) error {
	kind, _, err := f.KV().String("general.type")
	if kind == partKind {
		return errors.New("it is an unfinished importance matrix; run the same mil imatrix again, which goes on to the end")
	}
	if err != nil || kind != "imatrix" {
		return errors.New(`it is no importance matrix (key general.type is not "imatrix"); mil imatrix makes one`)
	}
	for _, t := range f.Tensors() {
		// Here and not before all: what is used of it is then at hand.
		if err := f.Intact(t); err != nil {
			return fmt.Errorf("%w; fetch the file or make it again with mil imatrix", err)
		}
		name, ok := strings.CutSuffix(t.Name, sumSuffix)
		if !ok {
			continue
		}
		e := &quant.Moments{}
		sums, err := values(f, t)
		if err != nil {
			return err
		}
		// Rows of several experts belong to no model of ours.
		if len(t.Dims) == 0 || t.Dims[0] != t.Values() {
			return fmt.Errorf("tensor %s has shape %v, not one row", t.Name, t.Dims)
		}
		for _, v := range sums {
			if v < 0 {
				return fmt.Errorf("tensor %s holds %v, which is no sum of squares", t.Name, v)
			}
			e.Squares = append(e.Squares, float64(v))
		}
		if t, ok := f.Tensor(name + covSuffix); ok {
			if e.Products, err = values(f, t); err != nil {
				return err
			}
			if len(e.Products) != len(e.Squares)*quant.CovWidth {
				return fmt.Errorf("tensor %s has shape %v beside %d columns", t.Name, t.Dims, len(e.Squares))
			}
		}
		s.entries[name] = e
	}
	if len(s.entries) == 0 {
		return fmt.Errorf("it has no tensors NAME%s", sumSuffix)
	}
	return nil
}

// values are those of a float32 tensor, each a number.
func values(f *format.File, t format.Info) ([]float32, error) {
	if t.Type != quant.F32 {
		return nil, fmt.Errorf("tensor %s is %s, not f32", t.Name, t.Type)
	}
	spec, _ := quant.F32.Spec()
	v := make([]float32, t.Values())
	spec.Unpack(v, f.Data(t))
	for _, x := range v {
		if x-x != 0 {
			return nil, fmt.Errorf("tensor %s holds %v", t.Name, x)
		}
	}
	return v, nil
}
