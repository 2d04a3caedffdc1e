// Package model runs hybrid, Llama and pure Mamba models: each architecture
// records its layers once, and a [Session] runs the recorded programs.
package model

import (
	"fmt"
	"maps"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// architecture is one family of models. Adding one is one file and one line
// in the table.
type architecture interface {
	// config reads and checks the family's own keys.
	config(c *Config, k *keys)
	// layer records layer i: its mixer and, where it has one, its feed-forward.
	layer(b *builder, i int, x backend.Value) backend.Value
	// tensors lists layer i's tensors with their shapes [rows, columns].
	tensors(c *Config, i int) map[string][2]int
}

const hybridArch = "mambainllama"

var architectures = map[string]architecture{
	"llama":    llama{},
	hybridArch: hybrid{},
	"mamba":    mamba{version: 1},
	"mamba2":   mamba{version: 2},
}

// Model is an opened model file.
type Model struct {
	Config Config
	file   *format.File
	arch   architecture
	shapes map[string][2]int
	rope   []float32 // divisors of the rotation's frequencies that stretch positions, or nil
	float  bool      // matrices are float32
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
	c, a, err := readConfig(f.KV())
	if err != nil {
		return nil, err
	}
	m := &Model{file: f, arch: a}
	embd, ok := f.Tensor("token_embd.weight")
	if !ok {
		return nil, fmt.Errorf("tensor token_embd.weight is missing")
	}
	if len(embd.Dims) != 2 || embd.Dims[1] > 1<<24 {
		return nil, fmt.Errorf("tensor token_embd.weight has shape %v", embd.Dims)
	}
	c.Vocab = int(embd.Dims[1])
	m.Config = *c
	m.shapes = map[string][2]int{
		"token_embd.weight":  {c.Vocab, c.DModel},
		"output_norm.weight": {1, c.DModel},
	}
	for i := range c.Layers {
		for name, shape := range a.tensors(c, i) {
			m.shapes[fmt.Sprintf("blk.%d.%s", i, name)] = shape
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.shapes)) {
		t, ok := f.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("tensor %s is missing", name)
		}
		if err := checkShape(t, m.shapes[name]); err != nil {
			return nil, err
		}
	}
	if err := c.checkState(len(f.Mapping())); err != nil {
		return nil, err
	}
	m.float = embd.Type == quant.F32
	for _, t := range f.Tensors() {
		want, known := m.shapes[t.Name]
		switch {
		case t.Name == "output.weight":
			if err := checkShape(t, [2]int{c.Vocab, c.DModel}); err != nil {
				return nil, err
			}
			m.shapes[t.Name] = [2]int{c.Vocab, c.DModel}
		case t.Name == "rope_freqs.weight":
			if err := checkShape(t, [2]int{1, c.RopeDims / 2}); err != nil {
				return nil, err
			}
			m.shapes[t.Name] = [2]int{1, c.RopeDims / 2}
		case !known:
			return nil, fmt.Errorf("tensor %s is not part of a %s model", t.Name, c.Arch)
		}
		if want[0] > 1 && t.Type != quant.F32 && !isVectorLike(t.Name) {
			m.float = false
		}
	}
	if fault := format.Guard(func() { err = m.readRope() }); fault != nil {
		err = fault
	}
	return m, err
}

func checkShape(t format.Info, want [2]int) error {
	rows := uint64(1)
	if len(t.Dims) == 0 {
		return fmt.Errorf("tensor %s has no shape", t.Name)
	}
	for _, d := range t.Dims[1:] {
		rows *= d
	}
	cols := t.Dims[0]
	// Vectors may be stored as [n], [1, n] or [n, groups]; matrices only one way.
	if want[0] == 1 && rows*cols == uint64(want[1]) {
		return nil
	}
	if cols != uint64(want[1]) || rows != uint64(want[0]) {
		return fmt.Errorf("tensor %s has shape %v, the model's is [%d %d]", t.Name, t.Dims, want[1], want[0])
	}
	return nil
}

// tensor is a weight by name, or nil.
func (m *Model) tensor(name string, buf backend.Buffer) *backend.Tensor {
	t, ok := m.file.Tensor(name)
	if !ok {
		return nil
	}
	shape := m.shapes[name]
	return &backend.Tensor{Name: name, Type: t.Type, Rows: shape[0], Cols: shape[1], Buf: buf, Off: int(t.Offset)}
}

// Tokens of a pass in which every token's row of logits is wanted.
const allTokens = 512

// builder is the means by which an architecture records.
type builder struct {
	*backend.Recorder
	m      *Model
	c      *Config
	buf    backend.Buffer
	states map[string]*backend.State
	o      Options
	kvType quant.Type
	prefix string
}

// w is a weight of the current layer.
func (b *builder) w(name string) *backend.Tensor { return b.m.tensor(b.prefix+name, b.buf) }

// norm is an RMSNorm of the current layer.
func (b *builder) norm(name string) *backend.Norm {
	return &backend.Norm{Weight: b.w(name), Eps: b.c.Eps}
}

// state is a piece of memory of the current layer, the same for every program.
func (b *builder) state(name string, kind backend.StateKind, bytes int) *backend.State {
	name = b.prefix + name
	s := b.states[name]
	if s == nil {
		s = &backend.State{Name: name, Kind: kind, Bytes: bytes}
		b.states[name] = s
	}
	return b.State(s)
}

// record builds the program for passes of up to the given number of tokens.
func (m *Model) record(tokens, logitRows int, buf backend.Buffer, states map[string]*backend.State, o Options) *backend.Program {
	b := &builder{Recorder: backend.NewRecorder(tokens, logitRows), m: m, c: &m.Config, buf: buf, states: states, o: o, kvType: m.kvType(o)}
	x := b.Embed(b.w("token_embd.weight"))
	for i := range m.Config.Layers {
		b.prefix = fmt.Sprintf("blk.%d.", i)
		b.Layer()
		x = m.arch.layer(b, i, x)
	}
	b.prefix = ""
	head := b.w("output.weight")
	if head == nil {
		head = b.w("token_embd.weight")
	}
	b.Logits(b.All(x), b.norm("output_norm.weight"), head)
	return b.Program()
}

// Programs are those that a session records for short passes and for prompts.
// They have no memory behind tensors and states, and serve planning.
func (m *Model) Programs(o Options) (step, prompt *backend.Program) {
	if o.Context <= 0 {
		o.Context = min(m.Config.Context, DefaultContext)
	}
	states := map[string]*backend.State{}
	return m.record(backend.Verify, backend.Verify, nil, states, o), m.record(backend.DefaultPrompt, 1, nil, states, o)
}

// kvType is how a session keeps keys and values.
func (m *Model) kvType(o Options) quant.Type {
	switch {
	case o.KV != quant.F32:
		return o.KV
	case m.float:
		return quant.F32
	}
	return quant.F16
}

// Parameters counts the weights.
func (m *Model) Parameters() int64 {
	var n int64
	for _, s := range m.shapes {
		n += int64(s[0]) * int64(s[1])
	}
	return n
}

// Bytes is the length of the file with the weights.
func (m *Model) Bytes() int64 { return int64(len(m.file.Mapping())) }

// Scratch is the memory of activations and logits in a session's passes.
func (m *Model) Scratch(o Options) int64 {
	step, prompt := m.Programs(o)
	a, b := backend.CostOf(step), backend.CostOf(prompt)
	return a.Values + b.Values
}

// Memory is the bytes of a session beside the file's weights: the caches of the
// attention layers and the recurrent state, which does not grow with the context.
func (m *Model) Memory(o Options) (kv, recurrent int64) {
	states := map[string]*backend.State{}
	m.record(backend.Verify, 1, nil, states, o)
	for _, s := range states {
		if s.Kind == backend.StateKV {
			kv += int64(s.Bytes)
		} else {
			recurrent += int64(s.Bytes)
		}
	}
	return kv, recurrent
}
