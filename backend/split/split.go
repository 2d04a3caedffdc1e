// Package split runs the first layers of a program on a device and the rest on
// the host, for models that are larger than the device's memory.
package split

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// Device is a backend that takes a program's head. Its Map gives the host's own
// memory (internal/host), so that both backends read one mapping.
type Device interface {
	backend.Backend
	// Free is how many bytes of memory are free.
	Free() (int64, error)
}

// Head is the compiled form of a program with Outputs on a Device.
type Head interface {
	backend.Exec
	// Output is the program's i-th output in host memory, [Program.Tokens][width],
	// its first rows written by every Run.
	Output(i int) []float32
}

// All is the number of layers that leaves nothing on the host, Fit the one that
// lets free memory decide.
const (
	All = 1 << 20
	Fit = -1
)

// Backend implements [backend.Backend] on a device and the host.
type Backend struct {
	device Device
	host   backend.Backend
	layers int
	// said is told, for every model, how many of its layers the device takes.
	said   func(layers, of int)
	cuts   map[*backend.State]int             // of a model, known by its first state
	places map[*backend.State]backend.Backend // of the states of compiled programs
}

// New splits programs after the given number of layers, or where [Fit] puts the cut. Both
// backends are closed with it. report, which may be nil, is told once for every
// model how many of its layers the device takes.
func New(device Device, host backend.Backend, layers int, report func(layers, of int)) *Backend {
	return &Backend{device, host, layers, report, map[*backend.State]int{}, map[*backend.State]backend.Backend{}}
}

// Name implements [backend.Backend].
func (b *Backend) Name() string { return b.device.Name() }

// Free is how many bytes of the device's memory are free.
func (b *Backend) Free() (int64, error) { return b.device.Free() }

// Map implements [backend.Backend].
func (b *Backend) Map(memory []byte) (backend.Buffer, error) { return b.device.Map(memory) }

// NewSequence implements [backend.Backend]. It puts the states where their layers
// are.
func (b *Backend) NewSequence(states []*backend.State) (*backend.Sequence, error) {
	parts := map[backend.Backend][]*backend.State{}
	for _, s := range states {
		on := b.places[s]
		if on == nil {
			return nil, fmt.Errorf("split: no program with state %s was compiled", s.Name)
		}
		parts[on] = append(parts[on], s)
	}
	var owners []*backend.Sequence
	of := map[*backend.State]*backend.Sequence{}
	for on, list := range parts {
		q, err := on.NewSequence(list)
		if err != nil {
			for _, q := range owners {
				err = errors.Join(err, q.Free())
			}
			return nil, err
		}
		owners = append(owners, q)
		for _, s := range list {
			of[s] = q
		}
	}
	return backend.NewSequence(states, func(s *backend.State) (backend.Buffer, error) { return of[s].Buffer(s), nil })
}

// Close implements [backend.Backend].
func (b *Backend) Close() error { return errors.Join(b.device.Close(), b.host.Close()) }

// PromptTokens implements [backend.Prompter].
func (b *Backend) PromptTokens() int { return backend.PromptTokens(b.device) }

// Compile implements [backend.Backend]. It decides where the program's states
// will lie.
func (b *Backend) Compile(p *backend.Program) (backend.Exec, error) {
	cut, err := b.cut(p)
	if err != nil {
		return nil, err
	}
	if cut >= len(p.Layers) || cut == 0 {
		on := backend.Backend(b.device)
		if cut == 0 {
			on = b.host
		}
		b.settle(p.States, on)
		return on.Compile(p)
	}
	tables := map[backend.Value]*backend.Tensor{}
	head, tail := backend.Cut(p, cut, func(v backend.Value) *backend.Tensor {
		tables[v] = &backend.Tensor{Name: fmt.Sprintf("value %d", v), Type: quant.F32, Rows: p.Tokens, Cols: p.Widths[v]}
		return tables[v]
	})
	b.settle(head.States, b.device)
	b.settle(tail.States, b.host)
	e := &exec{tokens: make([]int32, p.Tokens)}
	for i := range e.tokens {
		e.tokens[i] = int32(i)
	}
	first, err := b.device.Compile(head)
	if err != nil {
		return nil, err
	}
	var ok bool
	if e.head, ok = first.(Head); !ok {
		return nil, errors.Join(fmt.Errorf("%s cannot run a part of a program", b.device.Name()), first.Close())
	}
	for i, v := range head.Outputs {
		rows := e.head.Output(i)
		memory := unsafe.Slice((*byte)(unsafe.Pointer(&rows[0])), 4*len(rows))
		if tables[v].Buf, err = b.host.Map(memory); err != nil {
			return nil, errors.Join(err, first.Close())
		}
	}
	if e.tail, err = b.host.Compile(tail); err != nil {
		return nil, errors.Join(err, first.Close())
	}
	return e, nil
}

// cut is how many layers of a program's model the device takes.
func (b *Backend) cut(p *backend.Program) (int, error) {
	if len(p.Layers) == 0 || len(p.States) == 0 {
		return All, nil
	}
	n, ok := b.cuts[p.States[0]]
	if ok {
		return n, nil
	}
	n = min(b.layers, len(p.Layers))
	if b.layers == Fit {
		free, err := b.device.Free()
		if err != nil {
			return 0, err
		}
		n = Layers(p, free-free/16-reserve)
	}
	b.cuts[p.States[0]] = n
	if b.said != nil {
		b.said(n, len(p.Layers))
	}
	return n, nil
}

// reserve is left free for activations, kernels and other data on the device.
const reserve = 256 << 20

// Layers is how many of a program's layers, with their weights and states, fit
// into the given bytes. It is all layers only when the head fits too. Planning
// needs no device.
func Layers(p *backend.Program, bytes int64) int {
	seen := map[any]bool{}
	var used int64
	// The table of tokens and the head may be one tensor.
	add := func(from, to int) bool {
		for _, n := range p.Nodes[from:to] {
			for _, t := range n.Weights() {
				key := [2]any{t.Buf, t.Off}
				if !seen[key] {
					seen[key] = true
					used += int64(t.Bytes())
				}
			}
			for _, s := range n.States() {
				if !seen[s] {
					seen[s] = true
					used += int64(s.Bytes)
				}
			}
		}
		return used <= bytes
	}
	fits, from := 0, 0
	for i := 1; i < len(p.Layers); i++ {
		if !add(from, p.Layers[i]) {
			return fits
		}
		fits, from = i, p.Layers[i]
	}
	if add(from, len(p.Nodes)) {
		fits = len(p.Layers)
	}
	return fits
}

// settle notes whose memory states will have.
func (b *Backend) settle(states []*backend.State, on backend.Backend) {
	for _, s := range states {
		if b.places[s] == nil {
			b.places[s] = on
		}
	}
}

// exec is a program in two parts.
type exec struct {
	head   Head
	tail   backend.Exec
	tokens []int32 // 0, 1, 2, ...: the rows of the head's outputs

	first, rest backend.Params // of the parts of a pass
}

// Watched implements [backend.Watched]: the host's part is stopped.
func (e *exec) Watched() {}

// Run implements [backend.Exec].
func (e *exec) Run(p *backend.Params) ([]float32, error) {
	e.first = backend.Params{Tokens: p.Tokens, Segments: append(e.first.Segments[:0], p.Segments...), Watch: p.Watch}
	for i := range e.first.Segments {
		e.first.Segments[i].Logits = 0
	}
	if _, err := e.head.Run(&e.first); err != nil {
		return nil, err
	}
	e.rest = backend.Params{Tokens: e.tokens[:len(p.Tokens)], Segments: p.Segments, Watch: p.Watch}
	return e.tail.Run(&e.rest)
}

// Close implements [backend.Exec].
func (e *exec) Close() error { return errors.Join(e.tail.Close(), e.head.Close()) }
