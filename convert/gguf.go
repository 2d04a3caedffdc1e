package convert

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

// openGGUF plans a copy of a GGUF file with other types.
func openGGUF(path string, o Options) (*plan, io.Closer, error) {
	f, err := format.Open(path)
	if err != nil {
		return nil, nil, err
	}
	p, err := copyPlan(f, o.Tokenizer)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	p.path, p.inputs = path, append(f.Paths(), o.Tokenizer)
	return p, f, nil
}

// copyPlan plans the same keys and tensors, whose rows are unpacked as they are
// read. tokenizer, if not empty, is the place of another one.
func copyPlan(f *format.File, tokenizer string) (*plan, error) {
	m, err := model.Open(f)
	if err != nil {
		return nil, err
	}
	_, output := f.Tensor("output.weight")
	p := &plan{config: &m.Config, tied: !output}
	for _, k := range f.KV().Keys() {
		switch {
		case strings.HasPrefix(k, "split."), k == "general.architecture", k == "general.file_type", k == "general.quantization_version":
			continue // the writer sets it
		case tokenizer != "" && (strings.HasPrefix(k, "tokenizer.") || strings.HasPrefix(k, "mil.tokenizer.") || k == "mil.eos_token_ids"):
			continue
		}
		if v, ok := f.KV().Raw(k); ok {
			p.set(k, v)
		}
	}
	if tokenizer != "" {
		if err := p.addTokenizer("", tokenizer); err != nil {
			return nil, err
		}
		p.setEnds(p.eos)
	}
	for _, t := range f.Tensors() {
		s, _ := m.Slot(t.Name) // the model has no other tensors
		p.tensors = append(p.tensors, copied(f, t, s))
	}
	return p, nil
}

// copied is a tensor of a file as it is. Data that does not match its checksum
// is refused while it is read, or the copy's own checksums would call it whole.
func copied(f *format.File, t format.Info, s model.Slot) tensor {
	spec, _ := t.Type.Spec() // known, since the file opened
	cols, rows := int(t.Dims[0]), 1
	for _, d := range t.Dims[1:] {
		rows *= int(d)
	}
	data, size, check := f.Data(t), spec.RowBytes(cols), f.Check(t)
	return tensor{slot: s, name: s.Full(), dims: t.Dims, rows: rows, cols: cols,
		read: func(row, n int, dst []float32) error {
			return format.Guard(func() { spec.Unpack(dst[:n*cols], data[row*size:(row+n)*size]) })
		},
		check: func(row, n int) (err error) {
			fault := format.Guard(func() {
				check.Add(data[row*size : (row+n)*size])
				if row+n == rows {
					err = check.End()
				}
			})
			return damaged(f, errors.Join(fault, err))
		}}
}

// damaged names the file in the error and says what to do.
func damaged(f *format.File, err error) error {
	if errors.Is(err, format.ErrChecksum) {
		return fmt.Errorf("%s: %w; fetch it or make it again", f.Name(), err)
	}
	return err
}
