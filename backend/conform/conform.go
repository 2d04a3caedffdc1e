// Package conform holds the table of cases that every backend must pass: each
// node of a program, every weight type, sizes that divide by nothing, passes
// that follow each other. The naive backend (package ref) is the definition.
//
// A case is a program of a few nodes between a table of random inputs and an
// identity matrix, so that the logits show the nodes' results.
package conform

import (
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/quant"
)

// Case is one program and the passes that are run through it.
type Case struct {
	Name   string
	Passes []Pass
	// Quantized says that the nodes multiply quantized weights, whose activations
	// a backend may take as int8.
	Quantized bool
	// slides says that dropped positions leave the cache. Otherwise its positions
	// only lag behind the text's. Rings go by the text's, which follow each other.
	slides bool
	width  int // of the input
	record func(b *builder) backend.Value
	// head makes the logits, of half of a pass's tokens; nil is an identity matrix.
	head func(b *builder, y backend.Value)
	want [][]float32 // every pass's outputs on the naive backend, once they are known
}

// Pass is one run of Tokens tokens. Before it, Replay of the last logged ones
// become part of the sequence. Passes of up to backend.MaxVerify tokens are logged.
type Pass struct{ Tokens, Replay int }

// builder records a case's nodes over tensors of random values.
type builder struct {
	*backend.Recorder
	w *weights
	x backend.Value // the input, [tokens][width]
}

// weights are the tensors of a case, made once in host memory.
type weights struct {
	r     *rand.Rand
	data  []byte
	list  []*backend.Tensor
	at    int // of the tensor to give next, when a program is recorded again
	state map[string]*backend.State
}

// tensor makes a random matrix, or gives the one made before.
func (w *weights) tensor(t quant.Type, rows, cols int, value func(i int) float32) *backend.Tensor {
	if w.at < len(w.list) {
		w.at++
		return w.list[w.at-1]
	}
	spec, ok := t.Spec()
	if !ok {
		panic("conform: unknown type")
	}
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = value(i)
	}
	off := (len(w.data) + 63) &^ 63
	end := off + rows*spec.RowBytes(cols)
	w.data = append(w.data, make([]byte, end-len(w.data))...)
	spec.Pack(w.data[off:end], v)
	x := &backend.Tensor{Name: fmt.Sprintf("w%d", w.at), Type: t, Rows: rows, Cols: cols, Off: off}
	w.list = append(w.list, x)
	w.at++
	return x
}

// normal gives normal deviates of the given size.
func (w *weights) normal(size float64) func(int) float32 {
	return func(int) float32 { return float32(w.r.NormFloat64() * size) }
}

func (b *builder) matrix(t quant.Type, rows, cols int) *backend.Tensor {
	return b.w.tensor(t, rows, cols, b.w.normal(1/math.Sqrt(float64(cols))))
}

func (b *builder) vector(n int, value func(i int) float32) *backend.Tensor {
	return b.w.tensor(quant.F32, 1, n, value)
}

func (b *builder) norm(n int) *backend.Norm {
	return &backend.Norm{Weight: b.vector(n, func(int) float32 { return float32(1 + 0.2*b.w.r.NormFloat64()) }), Eps: 1e-5}
}

func (b *builder) memory(name string, kind backend.StateKind, bytes int) *backend.State {
	s := b.w.state[name]
	if s == nil {
		s = &backend.State{Name: name, ID: len(b.w.state), Kind: kind, Bytes: bytes}
		b.w.state[name] = s
	}
	return b.State(s)
}

// inputs is how many different tokens a case's table has.
const inputs = 50

// program records the case for passes of up to tokens tokens.
func (c *Case) program(w *weights, tokens int) *backend.Program {
	return c.into(w, backend.NewRecorder(tokens, tokens))
}

// into records the case in an empty recorder.
func (c *Case) into(w *weights, r *backend.Recorder) *backend.Program {
	w.at = 0
	b := &builder{Recorder: r, w: w}
	b.x = b.Embed(w.tensor(quant.F32, inputs, c.width, w.normal(1)))
	made := c.record(b)
	if c.head != nil {
		c.head(b, made)
		return b.Program()
	}
	y := b.All(made)
	b.Logits(y, nil, w.tensor(quant.F32, y.N, y.N, func(i int) float32 {
		if i/y.N == i%y.N {
			return 1
		}
		return 0
	}))
	return b.Program()
}

// Bound is the largest relative error a backend may make in a pass. Products
// with activations of int8 err by 0.6% for normal deviates, and some cases
// multiply twice.
func (c *Case) Bound() float64 {
	if c.Quantized {
		return 2e-2
	}
	return 1e-5
}

// Some picks one of n cases by their names, so that of every kind of node and every
// type some are picked.
func (c *Case) Some(n uint32) bool { return crc32.ChecksumIEEE([]byte(c.Name))%n == 0 }

// Check is an error where the backend fails at the case or errs by more than
// the bound.
func (c *Case) Check(on backend.Backend) error {
	e, err := c.Compare(on)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", c.Name, err)
	case !(e <= c.Bound()):
		return fmt.Errorf("%s: relative error %.1e, at most %.0e is right", c.Name, e, c.Bound())
	}
	return nil
}

// Compare runs the case on a backend and, the first time, on the naive one and
// returns the largest relative error of a pass's outputs (norm of difference over norm).
func (c *Case) Compare(on backend.Backend) (float64, error) {
	if c.want == nil {
		want, err := c.run(ref.New(1))
		if err != nil {
			return 0, fmt.Errorf("ref: %w", err)
		}
		c.want = want
	}
	got, err := c.run(on)
	if err != nil {
		return 0, err
	}
	worst := 0.0
	for i := range c.want {
		worst = max(worst, relative(got[i], c.want[i]))
	}
	return worst, nil
}

// Run runs the case on a backend whose results do not count, one that only plans
// or records.
func (c *Case) Run(on backend.Backend) error {
	_, err := c.run(on)
	return err
}

func relative(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var d, n float64
	for i, w := range want {
		x := float64(got[i]) - float64(w)
		d += x * x
		n += float64(w) * float64(w)
	}
	if d != d {
		return math.Inf(1)
	}
	return math.Sqrt(d / (n + 1e-30))
}

// gap is how many positions of the text are dropped between two passes, dropped
// how many where positions slide.
const (
	gap     = 5
	dropped = 32
)

// run gives every pass's outputs.
func (c *Case) run(on backend.Backend) ([][]float32, error) {
	w := &weights{r: rand.New(rand.NewPCG(11, 12)), state: map[string]*backend.State{}}
	most := 0
	for _, p := range c.Passes {
		most = max(most, p.Tokens)
	}
	// Recording makes the tensors; their memory is mapped once all are known.
	few := c.program(w, backend.MaxVerify)
	buf, err := on.Map(append(make([]byte, 0, len(w.data)), w.data...))
	if err != nil {
		return nil, err
	}
	defer buf.Free()
	for _, t := range w.list {
		t.Buf = buf
	}
	logged, err := on.Compile(few)
	if err != nil {
		return nil, err
	}
	defer logged.Close()
	seq, err := on.NewSequence(few.States)
	if err != nil {
		return nil, err
	}
	defer seq.Free()
	var whole backend.Exec
	if most > backend.MaxVerify {
		if whole, err = on.Compile(c.program(w, most)); err != nil {
			return nil, err
		}
		defer whole.Close()
	}
	r := rand.New(rand.NewPCG(1, 2))
	var out [][]float32
	pos := 0
	for i, p := range c.Passes {
		ids := make([]int32, p.Tokens)
		for i := range ids {
			ids[i] = int32(r.IntN(inputs))
		}
		e := whole
		if p.Tokens <= backend.MaxVerify {
			e = logged
		}
		pos += p.Replay
		rows := p.Tokens
		if c.head != nil {
			rows = (p.Tokens + 1) / 2
		}
		at, shift := pos, gap*i
		if c.slides {
			shift = pos / 2 / dropped * dropped
			at -= shift
		}
		l, err := e.Run(backend.Pass(ids, backend.Segment{Seq: seq, Pos: at, Shift: shift, Replay: p.Replay, Logits: rows}))
		if err != nil {
			return nil, err
		}
		out = append(out, append([]float32(nil), l...))
		if p.Tokens > backend.MaxVerify {
			pos += p.Tokens
		}
	}
	return out, nil
}
