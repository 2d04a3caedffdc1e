// Package fabricate writes model files of real shapes and random weights within
// seconds, to measure speed with: it does not depend on what a model says.
package fabricate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// Write writes a model to path. spec is SHAPE-MIX: a name of [Shapes], and types
// as mil convert takes them. The same spec gives the same bytes.
func Write(path, spec string) error {
	at := strings.LastIndex(spec, "-")
	if at < 0 {
		return fmt.Errorf("%q is not SHAPE-MIX, like 3b-q4_k_m", spec)
	}
	shape, ok := shapes[spec[:at]]
	if !ok {
		return fmt.Errorf("no shape %q (known: %s)", spec[:at], strings.Join(Shapes(), ", "))
	}
	mix, err := quant.ParseMix(spec[at+1:])
	if err != nil {
		return err
	}
	return write(path, shape(), mix)
}

// fabric is a file under way.
type fabric struct {
	w      *format.Writer
	mix    quant.Mix
	layers int
	slots  []model.Slot
	types  []quant.Type
	rng    *rand.Rand
	packed map[string][]byte // rows by their type, length and values
}

func write(path string, s shape, mix quant.Mix) error {
	if err := s.Build(); err != nil {
		return err
	}
	f := &fabric{w: format.NewWriter(path, true), mix: mix, layers: s.Depth, rng: rand.New(rand.NewPCG(1, 2)), packed: map[string][]byte{}}
	defer f.w.Abort()
	f.w.Set("general.architecture", s.Arch)
	if err := s.Keys(f.w.Set); err != nil {
		return err
	}
	for _, slot := range s.Slots() {
		if s.has(slot) {
			f.declare(slot)
		}
	}
	if err := f.w.Begin(); err != nil {
		return err
	}
	for i, slot := range f.slots {
		if err := f.fill(slot, f.types[i]); err != nil {
			return err
		}
	}
	return f.w.Finish()
}

func (f *fabric) declare(s model.Slot) {
	kind := f.mix.TypeFor(quant.TensorInfo{Role: s.Role, Layer: s.Layer, Layers: f.layers, RowLen: int(s.Dims[0]), Rank: len(s.Dims)})
	f.w.Add(s.Full(), kind, s.Dims...)
	f.slots, f.types = append(f.slots, s), append(f.types, kind)
}

// fill writes a slot's values. A few rows come over and over: they cost as much
// as different ones.
func (f *fabric) fill(s model.Slot, kind quant.Type) error {
	spec, _ := kind.Spec()
	cols, rows := int(s.Dims[0]), 1
	for _, d := range s.Dims[1:] {
		rows *= int(d)
	}
	mean, spread := values(s)
	few := min(rows, max(1, 1<<20/cols))
	key := fmt.Sprint(kind, few, cols, mean, spread)
	data := f.packed[key]
	if data == nil {
		v := make([]float32, few*cols)
		for i := range v {
			v[i] = float32(mean + spread*f.rng.NormFloat64())
		}
		data = make([]byte, few*spec.RowBytes(cols))
		spec.Pack(data, v)
		f.packed[key] = data
	}
	for n := 0; n < rows; n += few {
		if _, err := f.w.Write(data[:min(few, rows-n)*spec.RowBytes(cols)]); err != nil {
			return err
		}
	}
	return nil
}

// values are the mean and the deviation of a slot's values. They keep a model's
// channels, steps and states in the sizes that trained models have.
func values(s model.Slot) (mean, spread float64) {
	switch {
	case s.Role != quant.Elementwise:
		return 0, 1 / math.Sqrt(float64(s.Cols))
	case s.Name == "ssm_a":
		return -1, 0.1
	case s.Name == "ssm_dt.bias":
		return -3, 0.1
	case s.Name == "ssm_conv1d.weight":
		return 0.2, 0.1
	case strings.HasSuffix(s.Name, ".bias"):
		return 0, 0.1
	}
	return 1, 0.1
}
