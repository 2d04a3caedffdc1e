// Package importance keeps what a model's weight matrices are multiplied by: an
// error in a column of large inputs costs more, and errors of columns whose
// inputs go together may cancel. The file is GGUF, of general.type "imatrix":
// for each matrix NAME the f32 tensors NAME.in_sum2 [columns], the sums of
// squared inputs; NAME.in_cov [columns][256], where columns are a multiple of
// 256, the sums of products with the inputs of columns of the same 256, of which
// those up to the column's own are set; and NAME.counts [1], of how many inputs.
// llama.cpp's files have the first and the last.
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

// Statistics are sums of squared inputs by the name of the matrix they entered.
type Statistics struct {
	Path    string // of the file they were read from, for messages
	entries map[string]*entry
}

type entry struct {
	sums  []float64 // of squares, [columns]
	cov   []float32 // of products, as quant.Inputs has them; nil where unknown
	count int64     // inputs summed
}

// New is empty statistics.
func New() *Statistics { return &Statistics{entries: map[string]*entry{}} }

// Add counts one input of the matrix of that name.
func (s *Statistics) Add(name string, input []float32) {
	e := s.entries[name]
	if e == nil {
		e = &entry{sums: make([]float64, len(input))}
		if len(input)%quant.CovWidth == 0 {
			e.cov = make([]float32, len(input)*quant.CovWidth)
		}
		s.entries[name] = e
	}
	for i, v := range input {
		e.sums[i] += float64(v) * float64(v)
	}
	for i := range e.cov[:len(e.cov)/quant.CovWidth] {
		first := i &^ (quant.CovWidth - 1)
		v, row := input[i], e.cov[i*quant.CovWidth:(i+1)*quant.CovWidth]
		for j, u := range input[first : i+1] { // the rest is the same mirrored
			row[j] += v * u
		}
	}
	e.count++
}

// Len is the number of matrices.
func (s *Statistics) Len() int { return len(s.entries) }

// Has says whether inputs of a matrix are known. Those must have cols columns.
func (s *Statistics) Has(name string, cols int) (bool, error) {
	e := s.entries[name]
	if e == nil {
		return false, nil
	}
	if len(e.sums) != cols {
		return false, fmt.Errorf("%s: tensor %s has %d columns there and %d in the model: it is another model's", s.Path, name, len(e.sums), cols)
	}
	return slices.ContainsFunc(e.sums, func(v float64) bool { return v > 0 }), nil
}

// together is how far products of different columns are believed: a text is
// only some of what a model reads, and inputs that always went together in it
// need not elsewhere.
const together = 0.9

// Inputs are those of a matrix that Has knows, squares over their mean and the
// products, a little lessened, in proportion. A column that no input touched counts as the mean
// does, so that all such columns count the same.
func (s *Statistics) Inputs(name string) (in quant.Inputs) {
	e := s.entries[name]
	var total float64
	touched := 0
	for _, v := range e.sums {
		if v > 0 {
			total += v
			touched++
		}
	}
	mean := total / float64(touched)
	in.Square = make([]float32, len(e.sums))
	for i, v := range e.sums {
		if in.Square[i] = 1; v > 0 {
			in.Square[i] = float32(v / mean)
		}
	}
	if e.cov == nil {
		return in
	}
	in.Cov = make([]float32, len(e.cov))
	for i := range e.sums {
		first := i &^ (quant.CovWidth - 1)
		for j := first; j < i; j++ {
			v := float32(together * float64(e.cov[i*quant.CovWidth+j-first]) / mean)
			in.Cov[i*quant.CovWidth+j-first] = v
			in.Cov[j*quant.CovWidth+i-first] = v
		}
		in.Cov[i*quant.CovWidth+i-first] = in.Square[i]
	}
	return in
}

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
		most = max(most, e.count)
	}
	w.Set("imatrix.chunk_count", uint32((most+int64(window)-1)/int64(window)))
	w.Set("imatrix.chunk_size", uint32(window))
	for _, name := range names {
		cols := uint64(len(s.entries[name].sums))
		w.Add(name+sumSuffix, quant.F32, cols)
		if s.entries[name].cov != nil {
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
		sums := make([]float32, len(e.sums))
		for i, v := range e.sums {
			sums[i] = float32(v)
		}
		for _, part := range [][]float32{sums, e.cov, {float32(e.count)}} {
			b := make([]byte, 4*len(part))
			spec.Pack(b, part)
			if _, err := w.Write(b); err != nil {
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
		// Here and not before all: what is used of it is then at hand.
		if err := f.Intact(t); err != nil {
			return fmt.Errorf("%w; fetch the file or make it again with mil imatrix", err)
		}
		name, ok := strings.CutSuffix(t.Name, sumSuffix)
		if !ok {
			continue
		}
		e := &entry{}
		sums, err := values(f, t)
		if err != nil {
			return err
		}
		// Several experts' rows are none of our models'.
		if len(t.Dims) == 0 || t.Dims[0] != t.Values() {
			return fmt.Errorf("tensor %s has shape %v, not one row", t.Name, t.Dims)
		}
		for _, v := range sums {
			if v < 0 {
				return fmt.Errorf("tensor %s holds %v, which is no sum of squares", t.Name, v)
			}
			e.sums = append(e.sums, float64(v))
		}
		if t, ok := f.Tensor(name + covSuffix); ok {
			if e.cov, err = values(f, t); err != nil {
				return err
			}
			if len(e.cov) != len(e.sums)*quant.CovWidth {
				return fmt.Errorf("tensor %s has shape %v beside %d columns", t.Name, t.Dims, len(e.sums))
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
