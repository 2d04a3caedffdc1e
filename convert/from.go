package convert

import (
	"math"

	"github.com/mil-run/mil/internal/source"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// from says which tensor of a checkpoint fills a slot. A layout is a table of
// them by the slots' names. The slots tell the shapes.
type from struct {
	tensor string
	// under are instead a tensor for each of the slot's parts, under each other.
	// An empty one goes on with the tensor before it.
	under  []string
	values []float32 // instead: what was computed
	// order gives the tensor's row for each of the slot's. The tensor has rows
	// rows, where these are more than the slot's.
	order func(row int) int
	rows  int
	// columns gives the tensor's column for each of the slot's.
	columns func(column int) int
	// value is done to each value.
	value func(v float32) float32
	// factor is what a row of the slot is multiplied with.
	factor func(row int) float32
	// depthwise tensors are [channels][1][taps].
	depthwise bool
}

// is is a tensor as it is.
func is(tensor string) from { return from{tensor: tensor} }

// fill plans the tensors of the plan's config, in the order of the file. names
// gives the beginning of a layer's names and its table; the layer -1 is what
// lies outside of the layers. Optional slots that a table lacks are left out.
func (p *plan) fill(t *lookup, names func(layer int) (prefix string, table map[string]from)) {
	prefix, table := names(-1)
	at := -1
	for _, s := range p.config.Slots() {
		if s.Layer != at {
			at = s.Layer
			prefix, table = names(at)
		}
		f, ok := table[s.Name]
		switch {
		case !ok && s.Optional:
		case !ok:
			panic("convert: a layout without " + s.Name)
		case f.values != nil:
			p.values(s, nil, func(first int, dst []float32) error {
				copy(dst, f.values[first:])
				return nil
			})
		case s.Role == quant.Elementwise:
			p.elementwise(t, s, t.take(prefix+f.tensor, f.shape(s)...), f.order, f.value)
		default:
			p.matrix(t, s, f.parts(t, prefix, s)...)
		}
	}
}

// shape is that of the checkpoint's tensor.
func (f *from) shape(s model.Slot) []int {
	switch {
	case f.depthwise:
		return []int{s.Rows, 1, s.Cols}
	case s.Rows == 1 && s.Role == quant.Elementwise:
		return []int{max(s.Cols, f.rows)}
	}
	return []int{max(s.Rows, f.rows), s.Cols}
}

// parts are the tensors under each other that make a matrix.
func (f *from) parts(t *lookup, prefix string, s model.Slot) []part {
	if f.under == nil {
		return []part{{t.take(prefix+f.tensor, f.shape(s)...), s.Rows, f.order, f.columns, f.factor}}
	}
	var list []part
	for i := 0; i < len(s.Parts); {
		name, rows := f.under[i], 0
		for first := i; i == first || i < len(s.Parts) && f.under[i] == ""; i++ {
			rows += s.Parts[i].N
		}
		list = append(list, part{t: t.take(prefix+name, rows, s.Cols), rows: rows})
	}
	return list
}

// part is rows of a checkpoint tensor.
type part struct {
	t       *source.Tensor
	rows    int
	from    func(row int) int    // the row to read for each; nil: as they are
	columns func(column int) int // the same of columns
	// factor is what a row is multiplied with; nil: 1.
	factor func(row int) float32
}

// matrix adds a tensor made of parts under each other.
func (p *plan) matrix(t *lookup, s model.Slot, parts ...part) {
	var sources []*source.Tensor
	for _, q := range parts {
		sources = append(sources, q.t)
	}
	cols := s.Cols
	p.add(s, sources, func(row, n int, dst []float32) error {
		first := 0
		for _, q := range parts {
			lo, hi := max(row, first), min(row+n, first+q.rows)
			if lo < hi {
				if err := q.read(t.c, lo-first, hi-lo, cols, dst[(lo-row)*cols:(hi-row)*cols]); err != nil {
					return err
				}
			}
			first += q.rows
		}
		return nil
	})
}

func (q part) read(c *source.Checkpoint, row, n, cols int, dst []float32) error {
	if q.from == nil {
		if err := c.ReadRows(q.t, row, n, dst); err != nil {
			return err
		}
	} else {
		for i := range n {
			if err := c.ReadRows(q.t, q.from(row+i), 1, dst[i*cols:(i+1)*cols]); err != nil {
				return err
			}
		}
	}
	if q.columns != nil {
		row := make([]float32, cols)
		for i := range n {
			copy(row, dst[i*cols:])
			for j := range cols {
				dst[i*cols+j] = row[q.columns(j)]
			}
		}
	}
	if q.factor != nil {
		for i := range dst[:n*cols] {
			dst[i] *= q.factor(row + i/cols)
		}
	}
	return nil
}

// values adds a tensor whose values, from the given one on, read puts into dst.
func (p *plan) values(s model.Slot, sources []*source.Tensor, read func(first int, dst []float32) error) {
	cols := int(s.Dims[0])
	p.add(s, sources, func(row, n int, dst []float32) error { return read(row*cols, dst[:n*cols]) })
}

// elementwise adds a checkpoint tensor whose values are taken in an order and pass
// through f (nil: as they are).
func (p *plan) elementwise(t *lookup, s model.Slot, from *source.Tensor, order func(int) int, f func(float32) float32) {
	p.values(s, []*source.Tensor{from}, func(first int, dst []float32) error {
		if order == nil {
			if err := t.c.ReadValues(from, first, dst); err != nil {
				return err
			}
		} else {
			for i := range dst {
				if err := t.c.ReadValues(from, order(first+i), dst[i:i+1]); err != nil {
					return err
				}
			}
		}
		if f != nil {
			for i := range dst {
				dst[i] = f(dst[i])
			}
		}
		return nil
	})
}

// add adds a slot's tensor.
func (p *plan) add(s model.Slot, from []*source.Tensor, read func(row, n int, dst []float32) error) {
	rows := 1
	for _, d := range s.Dims[1:] {
		rows *= int(d)
	}
	p.tensors = append(p.tensors, tensor{slot: s, name: s.Full(), dims: s.Dims, rows: rows, cols: int(s.Dims[0]), from: from, read: read})
}

// decay turns A_log into A.
func decay(a float32) float32 { return float32(-math.Exp(float64(a))) }

// twice doubles a bias that the models add two times.
func twice(b float32) float32 { return 2 * b }
