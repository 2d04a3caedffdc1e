package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// A token's bits are the same whatever shares its pass, through products that
// prepare each other's inputs, of sizes that divide no block evenly.
func TestSameBits(t *testing.T) {
	b := device(t)
	types := quant.Types()
	for i, kind := range types { // alone, and beside another
		for _, other := range []quant.Type{kind, types[(i+1)%len(types)]} {
			t.Run(kind.String()+" "+other.String(), func(t *testing.T) { sameBits(t, b, [2]quant.Type{kind, other}) })
		}
	}
}

// sameBits runs products of two types of weights.
func sameBits(t *testing.T, b *Backend, kinds [2]quant.Type) {
	const d, ff, vocab = 1280, 2304, 2051
	r := rand.New(rand.NewPCG(3, 4))
	var m testTensors
	tensor := func(kind quant.Type, rows, cols int) *backend.Tensor {
		return m.tensor(kind, rows, cols, func() float64 { return r.NormFloat64() / math.Sqrt(float64(cols)) })
	}
	norm := func() *backend.Norm { return &backend.Norm{Weight: tensor(quant.F32, 1, d), Eps: 1e-5} }
	c := backend.NewRecorder(backend.MaxVerify, backend.MaxVerify)
	x := c.Embed(tensor(quant.F32, 50, d))
	for range 2 {
		qkv := c.MatMul(c.All(x), norm(), backend.None, tensor(kinds[0], 1700, d), tensor(kinds[0], 160, d), tensor(kinds[1], 164, d))
		x = c.MatMul(c.Cut(qkv, 32, d), nil, x, tensor(kinds[1], d, d))
		h := c.GateUp(c.All(x), norm(), tensor(kinds[0], ff, d), tensor(kinds[0], ff, d))
		x = c.MatMul(c.All(h), nil, x, tensor(kinds[1], d, ff))
	}
	c.Logits(c.All(x), norm(), tensor(kinds[0], vocab, d))
	m.onto(t, b)
	e, err := b.Compile(c.Program())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	run := func(ids []int32, rows int) []float32 {
		l, err := e.Run(backend.Pass(ids, backend.Segment{Logits: rows}))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(l)
	}
	ids := make([]int32, backend.MaxVerify)
	var single []float32
	for i := range ids {
		ids[i] = int32(r.IntN(50))
		run(ids[i:i+1], 0) // without a row: the head is skipped
		single = append(single, run(ids[i:i+1], 1)...)
	}
	for _, n := range []int{2, 5, 8, 16} {
		got := run(ids[:n], n)
		for i, v := range got {
			if v != single[i] || v != v {
				t.Fatalf("%d tokens: logit %d of row %d is %x, alone %x", n, i%vocab, i/vocab, math.Float32bits(v), math.Float32bits(single[i]))
			}
		}
	}
	sum := 0.0
	for _, v := range single {
		sum += math.Abs(float64(v))
	}
	if sum == 0 {
		t.Error("all logits are 0")
	}
}

// The same of a prompt that is read in pieces, through products whose blocks hold
// more tokens of the whole than of a piece, and a head for one row.
func TestSameBitsPrompt(t *testing.T) {
	b := device(t)
	for _, kind := range quant.Types() {
		for _, logits := range []int{1, 512} {
			t.Run(fmt.Sprint(kind, " ", logits), func(t *testing.T) { sameBitsPrompt(t, b, kind, logits) })
		}
	}
}

func sameBitsPrompt(t *testing.T, b *Backend, kind quant.Type, logits int) {
	const d, ff, vocab, tokens = 1280, 2304, 2051, 512
	r := rand.New(rand.NewPCG(7, 8))
	var m testTensors
	tensor := func(kind quant.Type, rows, cols int) *backend.Tensor {
		return m.tensor(kind, rows, cols, func() float64 { return r.NormFloat64() / math.Sqrt(float64(cols)) })
	}
	norm := func() *backend.Norm { return &backend.Norm{Weight: tensor(quant.F32, 1, d), Eps: 1e-5} }
	c := backend.NewRecorder(tokens, logits)
	x := c.Embed(tensor(quant.F32, 50, d))
	h := c.GateUp(c.All(x), norm(), tensor(kind, ff, d), tensor(kind, ff, d))
	x = c.MatMul(c.All(h), nil, x, tensor(kind, d, ff))
	x = c.MatMul(c.All(x), norm(), backend.None, tensor(kind, d, d), tensor(kind, 4*d, d))
	c.Logits(c.Cut(x, 3*d, d), norm(), tensor(kind, vocab, d))
	m.onto(t, b)
	e, err := b.Compile(c.Program())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	ids := make([]int32, tokens)
	for i := range ids {
		ids[i] = int32(r.IntN(50))
	}
	run := func(ids []int32) []float32 {
		l, err := e.Run(backend.Pass(ids, backend.Segment{Logits: min(logits, len(ids))}))
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(l)
	}
	for _, n := range []int{1, 3, 16, 17, 64, 128, 300} { // each the end of the whole
		whole, got := run(ids), run(ids[tokens-n:])
		for i, v := range got {
			if want := whole[len(whole)-len(got)+i]; v != want {
				t.Fatalf("the last %d tokens: logit %d of row %d is %x, of the whole %x", n, i%vocab, i/vocab, math.Float32bits(v), math.Float32bits(want))
			}
		}
	}
}

// The same of attention on tensor cores, where tokens share blocks and parts grow
// within a pass.
func TestSameBitsFlashDecode(t *testing.T) {
	b := device(t)
	was := flashParts
	flashParts = 2
	t.Cleanup(func() { flashParts = was })
	for _, h := range []backend.Heads{
		{Heads: 4, KVHeads: 1, Dim: 128}, {Heads: 6, KVHeads: 3, Dim: 64}, {Heads: 2, KVHeads: 2, Dim: 32}, {Heads: 3, KVHeads: 1, Dim: 200}, {Heads: 9, KVHeads: 1, Dim: 80},
		{Heads: 4, KVHeads: 1, Dim: 128, Window: 50}, {Heads: 6, KVHeads: 3, Dim: 64, Window: 100}, {Heads: 2, KVHeads: 2, Dim: 32, Window: 1},
	} {
		t.Run(fmt.Sprintf("%d/%d heads of %d, window of %d", h.Heads, h.KVHeads, h.Dim, h.Window), func(t *testing.T) {
			const vocab, length = 67, 211
			h.KVType, h.Context = quant.F16, length
			shift := 0
			if h.Window > 0 { // a ring that begins anew among them
				h.Context, shift = backend.RingUnit, backend.RingUnit-112
			}
			q, kv := h.Heads*h.Dim, h.KVHeads*h.Dim
			r := rand.New(rand.NewPCG(5, 6))
			var m testTensors
			c := backend.NewRecorder(backend.MaxVerify, backend.MaxVerify)
			// Only values that nodes write may be rotated in place.
			x := c.MatMul(c.All(c.Embed(m.tensor(quant.F32, 50, 64, r.NormFloat64))), nil, backend.None, m.tensor(quant.F32, q+2*kv, 64, func() float64 { return r.NormFloat64() / 8 }))
			states := []*backend.State{{Name: "k", Kind: backend.StateKV, Bytes: h.CacheBytes()}, {Name: "v", ID: 1, Kind: backend.StateKV, Bytes: h.CacheBytes()}}
			for _, s := range states {
				c.State(s)
			}
			seq, err := b.NewSequence(states)
			if err != nil {
				t.Fatal(err)
			}
			defer seq.Free()
			c.RopeStore(&backend.RopeStore{Heads: h, Q: c.Cut(x, 0, q), K: c.Cut(x, q, kv), V: c.Cut(x, q+kv, kv), Freqs: []float64{1, 0.1}, KCache: states[0], VCache: states[1]})
			y := c.Attend(&backend.Attend{Heads: h, Q: c.Cut(x, 0, q), KCache: states[0], VCache: states[1]})
			c.Logits(c.All(y), nil, m.tensor(quant.F32, vocab, q, r.NormFloat64))
			m.onto(t, b)
			e, err := b.Compile(c.Program())
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			ids := make([]int32, length)
			for i := range ids {
				ids[i] = int32(r.IntN(50))
			}
			var single []float32
			for _, n := range []int{1, 3, 7, 16} {
				for pos := 0; pos < length; pos += n {
					ids := ids[pos:min(pos+n, length)]
					got, err := e.Run(backend.Pass(ids, backend.Segment{Seq: seq, Pos: pos, Shift: shift, Logits: len(ids)}))
					if err != nil {
						t.Fatal(err)
					}
					if n == 1 {
						single = append(single, got...)
						continue
					}
					for i, v := range got {
						if want := single[pos*vocab+i]; v != want {
							t.Fatalf("%d tokens: logit %d at %d is %x, alone %x", n, i%vocab, pos+i/vocab, math.Float32bits(v), math.Float32bits(want))
						}
					}
				}
			}
		})
	}
}

// testTensors are tensors of a test that lie in one mapping.
type testTensors struct {
	data []byte
	all  []*backend.Tensor
}

func (m *testTensors) tensor(kind quant.Type, rows, cols int, value func() float64) *backend.Tensor {
	spec, _ := kind.Spec()
	v := make([]float32, rows*cols)
	for i := range v {
		v[i] = float32(value())
	}
	w := &backend.Tensor{Name: "w", Type: kind, Rows: rows, Cols: cols, Off: len(m.data)}
	m.data = append(m.data, make([]byte, (rows*spec.RowBytes(cols)+63)&^63)...)
	spec.Pack(m.data[w.Off:], v)
	m.all = append(m.all, w)
	return w
}

// onto copies them to a device for as long as the test runs.
func (m *testTensors) onto(t *testing.T, b *Backend) {
	buf, err := b.Map(m.data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { buf.Free() })
	for _, w := range m.all {
		w.Buf = buf
	}
}
