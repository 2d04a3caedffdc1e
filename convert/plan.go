package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mil-run/mil/internal/source"
	"github.com/mil-run/mil/model"
)

// tensor is one tensor of the file to be written.
type tensor struct {
	slot       model.Slot
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
	config  *model.Config
	tied    bool // the embedding serves as output
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

// newPlan begins with the keys of a config.
func newPlan(c *model.Config, tied bool) (*plan, error) {
	if err := c.Build(); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	p := &plan{config: c, tied: tied}
	return p, c.Keys(p.set)
}

// lookup finds checkpoint tensors, checks their shapes, and remembers which
// were asked for, so that the remaining ones can be named.
type lookup struct {
	c    *source.Checkpoint
	used map[string]bool
	err  error
}

func newLookup(c *source.Checkpoint) *lookup { return &lookup{c: c, used: map[string]bool{}} }

func (t *lookup) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// has reports whether the checkpoint has a tensor.
func (t *lookup) has(name string) bool { _, ok := t.c.Tensor(name); return ok }

// ignore marks a tensor as known and not needed.
func (t *lookup) ignore(name string) { t.used[name] = true }

// take returns a tensor of the given shape, or nil after an error.
func (t *lookup) take(name string, shape ...int) *source.Tensor {
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
func (t *lookup) rest() {
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
		{".bias", "a bias that the config does not name"},
		{"q_norm", "a norm of queries, which models of this kind do not have"},
		{"k_norm", "a norm of keys, which models of this kind do not have"},
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
func (t *lookup) file(name string) string {
	s, _ := t.c.Tensor(name)
	return s.File
}
