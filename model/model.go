// Package model runs hybrids, Transformers and pure Mamba models: an architecture
// lists the blocks of its layers, blocks record themselves once, and a [Session]
// runs the recorded programs.
package model

import (
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// architecture is one family of models. Adding one is one file and one line
// in the table.
type architecture interface {
	// keys declares the family's metadata, in the order of the file.
	keys(c *Config, k *keys)
	// layer lists the blocks of layer i.
	layer(c *Config, i int) (Layer, error)
}

var architectures = map[string]architecture{
	"llama":         llama{},
	"qwen2":         qwen{},
	"qwen3":         qwen{normed: true},
	format.Arch:     hybrid{},
	"mamba":         pure{version: 1},
	"mamba2":        pure{version: 2},
	"granitehybrid": granite{},
	"falcon-h1":     falcon{},
	"nemotron_h":    nemotron{},
	"qwen35":        qwen35{},
}

// Model is an opened model file.
type Model struct {
	Config Config
	file   *format.File
	slots  map[string]Slot   // the file's tensors by name
	former map[string]string // names in the file of those that have a former one
	rope   []float32         // divisors of the rotation's frequencies that stretch positions, or nil
	float  bool              // the layers' matrices and the embedding are float32
}

// Open checks that the file holds every tensor its architecture needs, in the
// shape it needs, and no other.
func Open(f *format.File) (*Model, error) {
	m, err := open(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return m, nil
}

func open(f *format.File) (*Model, error) {
	c, err := readConfig(f.KV())
	if err != nil {
		return nil, err
	}
	embd, ok := f.Tensor("token_embd.weight")
	if !ok {
		return nil, fmt.Errorf("tensor token_embd.weight is missing")
	}
	if len(embd.Dims) != 2 || embd.Dims[1] > 1<<24 {
		return nil, fmt.Errorf("tensor token_embd.weight has shape %v", embd.Dims)
	}
	c.Vocab = int(embd.Dims[1])
	if err := c.Build(); err != nil {
		return nil, err
	}
	m := &Model{Config: *c, file: f, slots: map[string]Slot{}, former: map[string]string{}, float: true}
	for _, s := range c.Slots() {
		t, ok := f.Tensor(s.Full())
		if !ok && s.Former != "" {
			if t, ok = f.Tensor(s.full(s.Former)); ok {
				m.former[s.Full()] = t.Name
			}
		}
		switch {
		case !ok && s.Optional:
			continue
		case !ok:
			return nil, fmt.Errorf("tensor %s is missing", s.Full())
		}
		if err := checkShape(t, &s); err != nil {
			return nil, err
		}
		m.slots[t.Name] = s
		if !s.Role.Exact() && s.Role != quant.Output && t.Type != quant.F32 {
			m.float = false
		}
	}
	for _, t := range f.Tensors() {
		if _, known := m.slots[t.Name]; !known {
			return nil, fmt.Errorf("tensor %s is not part of a %s model", t.Name, c.Arch)
		}
	}
	if err := c.checkState(len(f.Mapping())); err != nil {
		return nil, err
	}
	if fault := format.Guard(func() { err = m.readRope() }); fault != nil {
		err = fault
	}
	return m, err
}

func checkShape(t format.Info, s *Slot) error {
	rows := uint64(1)
	if len(t.Dims) == 0 {
		return fmt.Errorf("tensor %s has no shape", t.Name)
	}
	for _, d := range t.Dims[1:] {
		rows *= d
	}
	cols := t.Dims[0]
	// Vectors may be stored as [n], [1, n] or [n, groups]; matrices only one way.
	if s.Rows == 1 && rows*cols == uint64(s.Cols) {
		return nil
	}
	if cols != uint64(s.Cols) || rows != uint64(s.Rows) {
		return fmt.Errorf("tensor %s has shape %v, the model's is [%d %d]", t.Name, t.Dims, s.Cols, s.Rows)
	}
	return nil
}

// tensor is a weight by name, or nil.
func (m *Model) tensor(name string, buf backend.Buffer) *backend.Tensor {
	if former, ok := m.former[name]; ok {
		name = former
	}
	t, ok := m.file.Tensor(name)
	if !ok {
		return nil
	}
	s := m.slots[name]
	return &backend.Tensor{Name: name, Type: t.Type, Rows: s.Rows, Cols: s.Cols, Buf: buf, Off: int(t.Offset)}
}

// Tokens of a pass in which every token's row of logits is wanted.
const allTokens = 512

// builder is the means by which blocks record.
type builder struct {
	*backend.Recorder
	m      *Model
	buf    backend.Buffer
	states map[string]*backend.State
	o      Options
	kvType quant.Type
	prefix string
}

// w is a weight of the current layer.
func (b *builder) w(name string) *backend.Tensor { return b.m.tensor(b.prefix+name, b.buf) }

// norm is an RMSNorm of the current layer.
func (b *builder) norm(name string, eps float32) *backend.Norm {
	return &backend.Norm{Weight: b.w(name), Eps: eps}
}

// state is a piece of memory of the current layer, the same for every program.
func (b *builder) state(name string, kind backend.StateKind, bytes int) *backend.State {
	name = b.prefix + name
	s := b.states[name]
	if s == nil {
		s = &backend.State{Name: name, ID: len(b.states), Kind: kind, Bytes: bytes}
		b.states[name] = s
	}
	return b.State(s)
}

// record builds a program into an empty recorder.
func (m *Model) record(r *backend.Recorder, buf backend.Buffer, states map[string]*backend.State, o Options) *backend.Program {
	b := &builder{Recorder: r, m: m, buf: buf, states: states, o: o, kvType: m.kvType(o.KV)}
	x := b.embed()
	for i, l := range m.Config.Layers {
		b.prefix = fmt.Sprintf("blk.%d.", i)
		b.Layer()
		x = l.record(b, x)
	}
	b.prefix = ""
	head := b.w("output.weight")
	if head == nil {
		head = b.w("token_embd.weight")
	}
	b.logits(x, head)
	return b.Program()
}

// embed looks tokens up and brings their vectors to the scale of the stream.
func (b *builder) embed() backend.Value {
	x := b.Embed(b.w("token_embd.weight"))
	scale := b.m.Config.Scales.Embedding
	if scale == 0 {
		scale = 1
	}
	if scale /= b.m.Config.residual(); scale != 1 {
		b.Finish(backend.Part{X: b.All(x), Scale: float32(scale)})
	}
	return x
}

// logits is the head behind the last norm, and the scale of logits.
func (b *builder) logits(x backend.Value, head *backend.Tensor) {
	c := &b.m.Config
	norm := b.norm("output_norm.weight", c.eps())
	if s := c.Scales.Logits; s != 0 && s != 1 {
		b.Finish(backend.Part{X: b.All(x), Norm: &backend.HeadNorm{Weight: norm.Weight, Dim: c.DModel, Eps: norm.Eps}, Scale: float32(1 / s)})
		norm = nil
	}
	b.Logits(b.All(x), norm, head)
}

// Programs are those that a runtime records for short passes and for prompts of
// passes of promptTokens.
// They have no memory behind tensors and states, and serve planning.
func (m *Model) Programs(o Options, promptTokens int) (step, prompt *backend.Program) {
	if o.Context <= 0 {
		o.Context = min(m.Config.Context, DefaultContext)
	}
	states := map[string]*backend.State{}
	step = m.record(backend.NewRecorder(backend.MaxVerify, backend.MaxVerify), nil, states, o)
	return step, m.record(backend.NewRecorder(promptTokens, 1), nil, states, o)
}

// Slot is the tensor of the file with the given name.
func (m *Model) Slot(name string) (s Slot, ok bool) {
	s, ok = m.slots[name]
	return s, ok
}

// Parameters counts the weights.
func (m *Model) Parameters() int64 {
	var n int64
	for _, s := range m.slots {
		n += int64(s.Rows) * int64(s.Cols)
	}
	return n
}

// PerToken is the bytes of weights that a token reads, and the multiply-adds with
// them of a prompt's token. Only one row of the table of embeddings is read,
// unless the table also makes the logits. Those are made for a prompt's last
// token only.
func (m *Model) PerToken() (bytes, macs int64) {
	_, untied := m.slots["output.weight"]
	for _, t := range m.file.Tensors() {
		s := m.slots[t.Name]
		if s.Role == quant.Embedding && untied {
			continue
		}
		bytes += int64(t.Size)
		if s.Role.Multiplies() {
			macs += int64(t.Values())
		}
	}
	return bytes, macs
}

// Bytes is the length of the file with the weights.
func (m *Model) Bytes() int64 { return int64(len(m.file.Mapping())) }

// Scratch is the memory of activations and logits in a session's passes.
func (m *Model) Scratch(o Options) int64 {
	step, prompt := m.Programs(o, backend.DefaultPrompt)
	a, b := backend.CostOf(step), backend.CostOf(prompt)
	return a.Values + b.Values
}

// Memory is the bytes of a session beside the file's weights: the caches of the
// attention layers and the recurrent state, which does not grow with the context.
func (m *Model) Memory(o Options) (kv, recurrent int64) {
	states := map[string]*backend.State{}
	m.record(backend.NewRecorder(backend.MaxVerify, 1), nil, states, o)
	for _, s := range states {
		if s.Kind == backend.StateKV {
			kv += int64(s.Bytes)
		} else {
			recurrent += int64(s.Bytes)
		}
	}
	return kv, recurrent
}
