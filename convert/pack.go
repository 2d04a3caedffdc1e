package convert

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/mil-run/mil/internal/source"
	"github.com/mil-run/mil/quant"
)

// chunkValues is how many values one worker holds at a time: 4 MB of float32
// and their packed form, so that a hundred cores stay under 2 GB.
const chunkValues = 1 << 20

// badValues counts values that are NaN or infinite.
type badValues int

func (n badValues) Error() string { return fmt.Sprintf("%d NaN or infinite values", int(n)) }

// packed is a chunk on its way to the file.
type packed struct {
	data   []byte
	rows   int
	values int
	bad    badValues
	err    error
}

// pack reads the tensor in chunks of rows, packs them on all cores, and hands
// them to emit in order. Damaged rows are reported before rows with NaN or
// infinities, which may come of the damage. in may be nil.
func (t *tensor) pack(ctx context.Context, spec *quant.Spec, in *quant.Inputs, emit func(b []byte, values int) error) error {
	ctx, stop := context.WithCancel(ctx)
	rows := max(1, min(chunkValues/t.cols, (t.rows+3)/4))
	queue := make(chan chan packed, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	defer wg.Wait() // for readers of a file that is closed afterwards
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
			wg.Go(func() { out <- t.chunk(spec, in, row, n) })
		}
	})
	var bad badValues
	row := 0
	for out := range queue {
		c := <-out
		if c.err != nil {
			return c.err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if t.check != nil {
			if err := t.check(row, c.rows); err != nil {
				return err
			}
		}
		row += c.rows
		// A tensor with a bad value is read to its end, for the count.
		if bad += c.bad; bad > 0 {
			continue
		}
		if err := emit(c.data, c.values); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if bad > 0 {
		return bad
	}
	return nil
}

// chunk reads and packs rows [row, row+n).
func (t *tensor) chunk(spec *quant.Spec, in *quant.Inputs, row, n int) packed {
	v := make([]float32, n*t.cols)
	if err := t.read(row, n, v); err != nil {
		return packed{err: err}
	}
	if bad := bad(v); bad > 0 {
		return packed{rows: n, bad: bad}
	}
	dst := make([]byte, n*spec.RowBytes(t.cols))
	if in != nil {
		spec.PackWeighted(dst, v, *in)
	} else {
		spec.Pack(dst, v)
	}
	return packed{data: dst, rows: n, values: len(v)}
}

// bad counts the NaN and infinities in v.
func bad(v []float32) badValues {
	var n badValues
	for _, x := range v {
		if x-x != 0 { // NaN, which infinity less itself is too
			n++
		}
	}
	return n
}

// countBad counts the NaN and infinities in a checkpoint's tensor.
func countBad(c *source.Checkpoint, t *source.Tensor) (badValues, error) {
	step := max(1, min(chunkValues/max(1, t.RowLen()), t.Rows()))
	v := make([]float32, step*t.RowLen())
	var n badValues
	for row := 0; row < t.Rows(); row += step {
		rows := min(step, t.Rows()-row)
		part := v[:rows*t.RowLen()]
		if err := c.ReadRows(t, row, rows, part); err != nil {
			return 0, err
		}
		n += bad(part)
	}
	return n, nil
}
