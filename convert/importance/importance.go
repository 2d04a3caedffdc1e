// Package importance keeps how large the inputs of a model's weight matrices
// are, column by column: an error in a column of large inputs costs more. The
// file is GGUF, of general.type "imatrix": for each matrix NAME the f32 tensors
// NAME.in_sum2 [columns], the sums of squared inputs, and NAME.counts [1], of
// how many inputs; llama.cpp names them so too.
package importance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

const (
	sumSuffix   = ".in_sum2"
	countSuffix = ".counts"
)

// Statistics are sums of squared inputs by the name of the matrix they entered.
type Statistics struct {
	Path    string // of the file they were read from, for messages
	entries map[string]*entry
}

type entry struct {
	sums  []float64 // [columns]
	count int64     // inputs summed
}

// New is empty statistics.
func New() *Statistics { return &Statistics{entries: map[string]*entry{}} }

// Add counts one input of the matrix of that name.
func (s *Statistics) Add(name string, input []float32) {
	e := s.entries[name]
	if e == nil {
		e = &entry{sums: make([]float64, len(input))}
		s.entries[name] = e
	}
	for i, v := range input {
		e.sums[i] += float64(v) * float64(v)
	}
	e.count++
}

// Len is the number of matrices.
func (s *Statistics) Len() int { return len(s.entries) }

// Weights are the mean squared inputs of a matrix's columns, over their mean.
// A column that no input touched weighs one, as all do where nothing is told
// apart. nil means that the matrix is unknown or was never touched.
func (s *Statistics) Weights(name string, cols int) ([]float32, error) {
	e := s.entries[name]
	if e == nil {
		return nil, nil
	}
	if len(e.sums) != cols {
		return nil, fmt.Errorf("%s: tensor %s has %d columns there and %d in the model: it is another model's", s.Path, name, len(e.sums), cols)
	}
	var total float64
	touched := 0
	for _, v := range e.sums {
		if v > 0 {
			total += v
			touched++
		}
	}
	if touched == 0 {
		return nil, nil
	}
	mean := total / float64(touched)
	w := make([]float32, cols)
	for i, v := range e.sums {
		if w[i] = 1; v > 0 {
			w[i] = float32(v / mean)
		}
	}
	return w, nil
}

// Save writes the file; text names what the inputs came from, read in windows
// of so many tokens.
func (s *Statistics) Save(path, text string, window int, force bool) error {
	w := format.NewWriter(path, force)
	defer w.Abort()
	w.Set("general.type", "imatrix")
	w.Set("imatrix.datasets", []string{text})
	names := slices.Sorted(maps.Keys(s.entries))
	var most int64
	for _, e := range s.entries {
		most = max(most, e.count)
	}
	w.Set("imatrix.chunk_count", uint32((most+int64(window)-1)/int64(window)))
	w.Set("imatrix.chunk_size", uint32(window))
	for _, name := range names {
		w.Add(name+sumSuffix, quant.F32, uint64(len(s.entries[name].sums)))
		w.Add(name+countSuffix, quant.F32, 1)
	}
	if err := w.Begin(); err != nil {
		return err
	}
	for _, name := range names {
		e := s.entries[name]
		for _, v := range append(slices.Clone(e.sums), float64(e.count)) {
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], math.Float32bits(float32(v)))
			if _, err := w.Write(b[:]); err != nil {
				return err
			}
		}
	}
	return w.Finish()
}

// Open reads a file of statistics.
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
	if kind, _, err := f.KV().String("general.type"); err != nil || kind != "imatrix" {
		return errors.New(`it holds no statistics (key general.type is not "imatrix"); mil imatrix makes them`)
	}
	for _, t := range f.Tensors() {
		name, ok := strings.CutSuffix(t.Name, sumSuffix)
		if !ok {
			continue
		}
		if t.Type != quant.F32 {
			return fmt.Errorf("tensor %s is %s, not f32", t.Name, t.Type)
		}
		// Several experts' rows are none of our models'.
		if len(t.Dims) == 0 || t.Dims[0] != t.Values() {
			return fmt.Errorf("tensor %s has shape %v, not one row", t.Name, t.Dims)
		}
		e := &entry{sums: make([]float64, t.Dims[0])}
		data := f.Data(t)
		for i := range e.sums {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])))
			if !(v >= 0) || math.IsInf(v, 0) {
				return fmt.Errorf("tensor %s holds %v, which is no sum of squares", t.Name, v)
			}
			e.sums[i] = v
		}
		s.entries[name] = e
	}
	if len(s.entries) == 0 {
		return fmt.Errorf("it has no tensors NAME%s", sumSuffix)
	}
	return nil
}
