package convert

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/mil-run/mil/convert/source"
)

// tensor is one tensor of the file to be written.
type tensor struct {
	name       string
	dims       []uint64 // ggml order: row length first
	rows, cols int
	// read fills dst with rows [row, row+n) as float32.
	read func(row, n int, dst []float32) error
	// check takes rows in order once they were read. It errs at the last where
	// they differ from the written ones. It is nil where nothing can tell.
	check func(row, n int) error
	// from is what read reads; nil for a copy of a tensor or a computed one.
	from []*source.Tensor
}

// pair is a metadata key and its value, as format.Writer.Set takes them.
type pair struct {
	key   string
	value any
}

// plan is a file about to be written: everything that headers and configs can
// tell has been checked, no weight has been read.
type plan struct {
	arch    string
	layers  int
	tied    bool
	vocab   int // rows of the embedding
	pairs   []pair
	tensors []tensor
	eos     []int32            // the tokenizer's ends of a turn
	path    string             // of the checkpoint or GGUF, for messages
	source  *source.Checkpoint // nil when a GGUF is copied
	inputs  []string           // files that are read, so not to be written over
	// warnings are lines about demands of the checkpoint that the file does not
	// follow.
	warnings []string
}

func (p *plan) set(key string, value any) { p.pairs = append(p.pairs, pair{key, value}) }

// setArch sets a key of the architecture.
func (p *plan) setArch(key string, value any) { p.set(p.arch+"."+key, value) }

// takes looks checkpoint tensors up, checks their shapes, and remembers which
// were asked for, so that the remaining ones can be named.
type takes struct {
	c    *source.Checkpoint
	used map[string]bool
	err  error
}

func newTakes(c *source.Checkpoint) *takes { return &takes{c: c, used: map[string]bool{}} }

func (t *takes) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// has reports whether the checkpoint has a tensor.
func (t *takes) has(name string) bool { _, ok := t.c.Tensor(name); return ok }

// ignore marks a tensor as known and not needed.
func (t *takes) ignore(name string) { t.used[name] = true }

// take returns a tensor of the given shape, or nil after an error.
func (t *takes) take(name string, shape ...int) *source.Tensor {
	s, ok := t.c.Tensor(name)
	if !ok {
		t.fail("tensor %s is missing", name)
		return nil
	}
	t.used[name] = true
	if s.DType == source.Unsupported {
		t.fail("%s: tensor %s has dtype %s (known: F32, F16, BF16)", s.File, name, s.TypeName)
		return nil
	}
	if !slices.Equal(s.Shape, shape) {
		t.fail("%s: tensor %s has shape %v, the config says %v", s.File, name, s.Shape, shape)
		return nil
	}
	return s
}

// rest reports tensors nobody asked for.
func (t *takes) rest() {
	var extra []string
	for _, n := range t.c.Names() {
		if !t.used[n] && !strings.HasSuffix(n, "rotary_emb.inv_freq") {
			extra = append(extra, n)
		}
	}
	switch n := len(extra); {
	case n == 1:
		t.fail("%s: tensor %s is not part of the model%s", t.file(extra[0]), source.Show(extra[0]), reason(extra[0]))
	case n > 1:
		t.fail("%s: tensor %s is not part of the model%s, nor are %d others", t.file(extra[0]), source.Show(extra[0]), reason(extra[0]), n-1)
	}
}

// reason names the likely kind of a tensor that is left over.
func reason(name string) string {
	for _, r := range []struct{ part, what string }{
		{"lora_", "an adapter (LoRA): merge it into its model first, as PEFT's merge_and_unload does"},
		{".qweight", "quantized (GPTQ or AWQ): take the unquantized checkpoint"},
		{".qzeros", "quantized (GPTQ or AWQ): take the unquantized checkpoint"},
		{".weight_scale", "quantized (FP8 or compressed-tensors): take the unquantized checkpoint"},
		{".absmax", "quantized (bitsandbytes): take the unquantized checkpoint"},
		{"quant_state", "quantized (bitsandbytes): take the unquantized checkpoint"},
		{".bias", "a bias, and models with biases are not supported"},
		{"q_norm", "a norm of queries, which is not supported"},
		{"k_norm", "a norm of keys, which is not supported"},
		{".experts.", "one of a mixture of experts, which is not supported"},
		{"block_sparse_moe", "one of a mixture of experts, which is not supported"},
		{"vision", "part of a model that sees images, which is not supported"},
		{"visual", "part of a model that sees images, which is not supported"},
		{"score.weight", "a classifier's"},
	} {
		if strings.Contains(name, r.part) {
			return " (it is " + r.what + ")"
		}
	}
	return ""
}

// file is where a tensor lies.
func (t *takes) file(name string) string {
	s, _ := t.c.Tensor(name)
	return s.File
}

// part is rows of a checkpoint tensor, in the order perm gives.
type part struct {
	t    *source.Tensor
	rows int
	from func(row int) int // nil: as they are
}

// matrix adds a tensor made of parts under each other.
func (p *plan) matrix(t *takes, name string, cols int, parts ...part) {
	rows := 0
	var from []*source.Tensor
	for _, q := range parts {
		rows += q.rows
		from = append(from, q.t)
	}
	p.tensors = append(p.tensors, tensor{name: name, dims: dims(cols, rows), rows: rows, cols: cols, from: from,
		read: func(row, n int, dst []float32) error {
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
		}})
}

func (q part) read(c *source.Checkpoint, row, n, cols int, dst []float32) error {
	if q.from == nil {
		return c.ReadRows(q.t, row, n, dst)
	}
	for i := range n {
		if err := c.ReadRows(q.t, q.from(row+i), 1, dst[i*cols:(i+1)*cols]); err != nil {
			return err
		}
	}
	return nil
}

// whole is all rows of a checkpoint matrix.
func whole(t *source.Tensor) part {
	if t == nil {
		return part{}
	}
	return part{t: t, rows: t.Shape[0]}
}

// values adds a tensor whose values, from the given one on, read puts into dst.
func (p *plan) values(name string, dims []uint64, from []*source.Tensor, read func(first int, dst []float32) error) {
	n := uint64(1)
	for _, d := range dims {
		n *= d
	}
	cols := int(dims[0])
	p.tensors = append(p.tensors, tensor{name: name, dims: dims, rows: int(n) / cols, cols: cols, from: from,
		read: func(row, n int, dst []float32) error { return read(row*cols, dst[:n*cols]) }})
}

// vector adds a checkpoint tensor whose values pass through f (nil: as they are).
func (p *plan) vector(t *takes, name string, s *source.Tensor, dims []uint64, f func(float32) float32) {
	if s == nil {
		return
	}
	p.values(name, dims, []*source.Tensor{s}, func(first int, dst []float32) error {
		if err := t.c.ReadValues(s, first, dst); err != nil {
			return err
		}
		if f != nil {
			for i := range dst {
				dst[i] = f(dst[i])
			}
		}
		return nil
	})
}

// decay turns A_log into A.
func decay(a float32) float32 { return float32(-math.Exp(float64(a))) }

// twice doubles a bias that the models add two times.
func twice(b float32) float32 { return 2 * b }

func dims(d ...int) []uint64 {
	out := make([]uint64, len(d))
	for i, v := range d {
		out[i] = uint64(v)
	}
	return out
}
