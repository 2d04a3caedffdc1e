package convert

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// chunkValues is how many values one worker holds at a time: 16 MB of float32,
// so that a dozen cores stay far under 2 GB.
const chunkValues = 1 << 22

// fileTypes are llama.cpp's numbers for general.file_type.
var fileTypes = map[string]uint32{"f32": 0, "f16": 1, "q4_0": 2, "q8_0": 7, "q4_k": 14, "q4_k_m": 15, "q5_k": 16, "q5_k_m": 17, "q6_k": 18, "bf16": 32}

// write packs the plan's tensors into the file, tensor by tensor, over all
// cores.
func (p *plan) write(ctx context.Context, o Options) (*Summary, error) {
	w := format.NewWriter(o.Output, o.Force)
	defer w.Abort()
	w.Set("general.architecture", p.arch)
	w.Set("general.type", "model")
	w.Set("general.name", p.name)
	w.Set("general.quantization_version", uint32(2))
	w.Set("general.file_type", fileTypes[o.Type.String()])
	for _, kv := range p.pairs {
		w.Set(kv.key, kv.value)
	}
	sum := &Summary{Arch: p.arch, Tensors: len(p.tensors), Types: map[string]int64{}}
	types := make([]quant.Type, len(p.tensors))
	for i, t := range p.tensors {
		info := quant.TensorInfo{Name: t.name, Layer: layerOf(t.name), Layers: p.layers, RowLen: t.cols, Rank: len(t.dims), Tied: p.tied}
		types[i] = o.Type.TypeFor(info)
		if want := o.Type.Want(info); want != types[i] {
			sum.Fallbacks = append(sum.Fallbacks, fmt.Sprintf("%s: rows of %d are %s, not %s", t.name, t.cols, types[i], want))
		}
		n := int64(t.rows) * int64(t.cols)
		sum.Params += n
		sum.Types[types[i].String()] += n
		w.Add(t.name, types[i], t.dims...)
	}
	if err := w.Begin(); err != nil {
		return nil, err
	}
	sum.Bytes = w.Size()
	var done int64
	for i, t := range p.tensors {
		spec, _ := types[i].Spec()
		err := t.pack(ctx, spec, func(b []byte, values int) error {
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
			return nil, err
		}
	}
	return sum, w.Finish()
}

// layerOf is N of "blk.N.", or 0.
func layerOf(name string) int {
	s, _, _ := strings.Cut(strings.TrimPrefix(name, "blk."), ".")
	n, _ := strconv.Atoi(s)
	return n
}

// packed is a chunk on its way to the file.
type packed struct {
	data   []byte
	values int
	bad    int // values that are no numbers
	err    error
}

// pack reads the tensor in chunks of rows, packs them on all cores, and hands
// them to emit in order.
func (t *tensor) pack(ctx context.Context, spec *quant.Spec, emit func(b []byte, values int) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	rows := max(1, min(chunkValues/t.cols, (t.rows+3)/4))
	queue := make(chan chan packed, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		defer close(queue)
		for row := 0; row < t.rows; row += rows {
			out := make(chan packed, 1)
			select {
			case queue <- out:
			case <-ctx.Done():
				return
			}
			n := min(rows, t.rows-row)
			wg.Go(func() { out <- t.chunk(spec, row, n) })
		}
	})
	bad := 0
	for out := range queue {
		c := <-out
		if c.err != nil {
			return c.err
		}
		bad += c.bad
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if bad == 0 {
			if err := emit(c.data, c.values); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if bad > 0 {
		return fmt.Errorf("tensor %s holds %d values that are no finite numbers", t.name, bad)
	}
	return nil
}

func (t *tensor) chunk(spec *quant.Spec, row, n int) packed {
	v := make([]float32, n*t.cols)
	if err := t.read(row, n, v); err != nil {
		return packed{err: fmt.Errorf("tensor %s: %w", t.name, err)}
	}
	bad := 0
	for _, x := range v {
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			bad++
		}
	}
	if bad > 0 {
		return packed{bad: bad}
	}
	dst := make([]byte, n*spec.RowBytes(t.cols))
	spec.Pack(dst, v)
	return packed{data: dst, values: len(v)}
}
