package convert

import (
	"context"
	"fmt"
	"slices"

	"github.com/mil-run/mil/convert/importance"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/source"
	"github.com/mil-run/mil/quant"
)

// write packs the plan's tensors into the file, tensor by tensor.
func (p *plan) write(ctx context.Context, o Options) (*Summary, error) {
	w := format.NewWriter(o.Output, o.Force)
	defer w.Abort()
	w.Set("general.architecture", p.config.Arch)
	w.Set("general.type", "model")
	w.Set("general.quantization_version", uint32(2))
	w.Set("general.file_type", o.Type.FileType())
	for _, kv := range p.pairs {
		w.Set(kv.key, kv.value)
	}
	sum := &Summary{Arch: p.config.Arch, Tensors: len(p.tensors), Types: map[string]int64{}, Warnings: p.warnings}
	types, err := p.types(o, sum)
	if err != nil {
		return nil, err
	}
	weighted, err := p.weighted(o.Weights, types, sum)
	if err != nil {
		return nil, err
	}
	for i, t := range p.tensors {
		w.Add(t.name, types[i], t.dims...)
	}
	if err := w.Begin(); err != nil {
		return nil, err
	}
	sum.Bytes = w.Size()
	var done int64
	for i, t := range p.tensors {
		spec, _ := types[i].Spec() // the mix names known types only
		var in *quant.Inputs
		if weighted[i] {
			known := o.Weights.Inputs(t.name)
			in = &known
		}
		err := t.pack(ctx, spec, in, func(b []byte, values int) error {
			if _, err := w.Write(b); err != nil {
				return err
			}
			done += int64(values)
			if o.Progress != nil {
				o.Progress(t.name, done, sum.Params)
			}
			return nil
		})
		if err != nil {
			return nil, p.explain(ctx, o, &t, err)
		}
	}
	return sum, w.Finish()
}

// types are the tensors' types, those of the mix or of overrides. It counts
// them and the fallbacks.
func (p *plan) types(o Options, sum *Summary) ([]quant.Type, error) {
	if err := p.checkOverrides(o.Overrides); err != nil {
		return nil, err
	}
	types := make([]quant.Type, len(p.tensors))
	for i, t := range p.tensors {
		want := o.want(t.name, p.info(&t))
		got := quant.Fallback(want, t.cols)
		types[i] = got
		if want != got {
			sum.fallback(t.name, t.cols, want, got)
		}
		n := int64(t.rows) * int64(t.cols)
		sum.Params += n
		sum.Types[got.String()] += n
	}
	return types, nil
}

// weighted says which tensors are packed with the importance matrix.
func (p *plan) weighted(s *importance.Statistics, types []quant.Type, sum *Summary) ([]bool, error) {
	list := make([]bool, len(p.tensors))
	if s == nil {
		return list, nil
	}
	for i, t := range p.tensors {
		if spec, _ := types[i].Spec(); spec.Block == 1 {
			continue
		}
		var err error
		if list[i], err = s.Has(t.name, t.cols); err != nil {
			return nil, err
		}
		if list[i] {
			sum.Weighted++
		}
	}
	if sum.Weighted == 0 {
		return nil, fmt.Errorf("%s: it says nothing of any tensor that is quantized", s.Path)
	}
	return list, nil
}

func (s *Summary) fallback(name string, cols int, want, got quant.Type) {
	i := slices.IndexFunc(s.Fallbacks, func(f Fallback) bool { return f.RowLen == cols && f.Want == want && f.Got == got })
	if i < 0 {
		i = len(s.Fallbacks)
		s.Fallbacks = append(s.Fallbacks, Fallback{RowLen: cols, Want: want, Got: got})
	}
	s.Fallbacks[i].Tensors = append(s.Fallbacks[i].Tensors, name)
}

// info is what a mix asks of a tensor.
func (p *plan) info(t *tensor) quant.TensorInfo {
	return quant.TensorInfo{Role: t.slot.Role, Layer: t.slot.Layer, Layers: p.config.Depth, RowLen: t.cols, Rank: len(t.dims), Tied: p.tied}
}

// explain names what stopped the tensor t.
func (p *plan) explain(ctx context.Context, o Options, t *tensor, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("write %s: %w", o.Output, ErrInterrupted)
	}
	if bad, ok := err.(badValues); ok {
		return p.blame(t, bad)
	}
	return err
}

// blame names the checkpoint's tensor that holds NaN or infinities. It reads
// again the tensors that made t, which only a failed conversion pays for. In a
// GGUF file, and where computing t went past float32, it is t itself.
func (p *plan) blame(t *tensor, bad badValues) error {
	for _, s := range t.from {
		n, err := countBad(p.source, s)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%s: %s: tensor %s holds %d NaN or infinite values", p.path, s.File, source.Show(s.Name), n)
		}
	}
	return fmt.Errorf("%s: tensor %s holds %d NaN or infinite values", p.path, t.name, bad)
}
