package convert

import (
	"errors"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

// copyPlan plans a copy of an opened GGUF file: the same keys and tensors, whose
// rows are unpacked as they are read.
func copyPlan(f *format.File) (*plan, error) {
	m, err := model.Open(f)
	if err != nil {
		return nil, err
	}
	p := &plan{arch: m.Config.Arch, name: m.Config.Name, layers: m.Config.Layers, vocab: m.Config.Vocab}
	for _, k := range f.KV().Keys() {
		if format.Reserved(k) || k == "general.file_type" || strings.HasPrefix(k, "general.architecture") {
			continue
		}
		if v, ok := f.KV().Raw(k); ok {
			p.set(k, v)
		}
	}
	_, output := f.Tensor("output.weight")
	p.tied = !output
	for _, t := range f.Tensors() {
		spec, _ := t.Type.Spec()
		cols, rows := int(t.Dims[0]), 1
		for _, d := range t.Dims[1:] {
			rows *= int(d)
		}
		data, size := f.Data(t), spec.RowBytes(cols)
		p.tensors = append(p.tensors, tensor{name: t.Name, dims: t.Dims, rows: rows, cols: cols,
			read: func(row, n int, dst []float32) error {
				return errors.Join(format.Guard(func() { spec.Unpack(dst[:n*cols], data[row*size:(row+n)*size]) }))
			}})
	}
	return p, nil
}
