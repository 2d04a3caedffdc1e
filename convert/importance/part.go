package importance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// A part is the sums of a run that ended early: GGUF of general.type
// "imatrix-part" with the key of the run. For each input it has the float64
// sums of squares as pairs of f32 bits, the products, the count as float64
// bits, and the other matrices that share it. A run that goes on from it ends
// with the same bytes.
const (
	partKind     = "imatrix-part"
	runKey       = "imatrix.run"
	sharedKey    = "imatrix.shared"
	exactSuffix  = ".in_sum2_f64"
	exactCounter = ".count_f64"
)

// SavePart writes the sums so far of the run that key names.
func (s *Statistics) SavePart(path, key string) error {
	w := format.NewWriter(path, true)
	defer w.Abort()
	w.Set("general.type", partKind)
	w.Set(runKey, key)
	leaders := map[*quant.Moments]string{}
	var names, shared []string
	for _, name := range slices.Sorted(maps.Keys(s.entries)) {
		m := s.entries[name]
		if first, ok := leaders[m]; ok {
			shared = append(shared, name+"="+first)
			continue
		}
		leaders[m] = name
		names = append(names, name)
	}
	w.Set(sharedKey, append([]string{}, shared...))
	for _, name := range names {
		m := s.entries[name]
		cols := uint64(len(m.Squares))
		w.Add(name+exactSuffix, quant.F32, 2*cols)
		if m.Products != nil {
			w.Add(name+covSuffix, quant.F32, quant.CovWidth, cols)
		}
		w.Add(name+exactCounter, quant.F32, 2)
	}
	if err := w.Begin(); err != nil {
		return err
	}
	spec, _ := quant.F32.Spec()
	for _, name := range names {
		m := s.entries[name]
		products := make([]byte, 4*len(m.Products))
		spec.Pack(products, m.Products)
		for _, b := range [][]byte{doubles(m.Squares), products, doubles([]float64{float64(m.Count)})} {
			if _, err := w.Write(b); err != nil {
				return err
			}
		}
	}
	return w.Finish()
}

// OpenPart reads a part that SavePart wrote with the same key. ok is false
// where there is none, or one of another run.
func OpenPart(path, key string) (s *Statistics, ok bool, err error) {
	f, err := format.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	if run, _, err := f.KV().String(runKey); err != nil || run != key {
		return nil, false, nil
	}
	s = New()
	if fault := format.Guard(func() { err = s.readPart(f) }); fault != nil {
		err = fault
	}
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	return s, true, nil
}

func (s *Statistics) readPart(f *format.File) error {
	for _, t := range f.Tensors() {
		name, ok := strings.CutSuffix(t.Name, exactSuffix)
		if !ok {
			continue
		}
		m := &quant.Moments{Squares: floats(f.Data(t))}
		count, ok := f.Tensor(name + exactCounter)
		if !ok || count.Values() != 2 {
			return fmt.Errorf("tensor %s%s is missing", name, exactCounter)
		}
		m.Count = int64(floats(f.Data(count))[0])
		if t, ok := f.Tensor(name + covSuffix); ok {
			var err error
			if m.Products, err = values(f, t); err != nil {
				return err
			}
		}
		if cols := len(m.Squares); (cols%quant.CovWidth == 0) != (m.Products != nil) || m.Products != nil && len(m.Products) != cols*quant.CovWidth {
			return fmt.Errorf("tensor %s%s does not fit %d columns", name, covSuffix, cols)
		}
		s.entries[name] = m
	}
	shared, _, err := f.KV().Strings(sharedKey)
	if err != nil {
		return err
	}
	for _, pair := range shared {
		name, first, _ := strings.Cut(pair, "=")
		if s.entries[first] == nil {
			return fmt.Errorf("key %s: there is no %s", sharedKey, first)
		}
		s.entries[name] = s.entries[first]
	}
	return nil
}

// Seen is how many inputs every matrix has seen.
func (s *Statistics) Seen() int64 {
	least := int64(math.MaxInt64)
	for _, m := range s.entries {
		least = min(least, m.Count)
	}
	if len(s.entries) == 0 {
		return 0
	}
	return least
}

func doubles(v []float64) []byte {
	b := make([]byte, 8*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint64(b[8*i:], math.Float64bits(x))
	}
	return b
}

func floats(b []byte) []float64 {
	v := make([]float64, len(b)/8)
	for i := range v {
		v[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return v
}
