package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/quant"
)

// attentionTest is rotation, cache and attention alone: a table of random
// q|k|v rows before them, behind them a random projection that shows every
// dimension of the result.
type attentionTest struct {
	few  backend.Exec // up to backend.MaxVerify tokens, logged
	run  backend.Exec
	fill backend.Exec // fills the cache
	seq  *backend.Sequence
}

const (
	tableRows   = 97
	projections = 16
)

func newAttentionTest(t testing.TB, b backend.Backend, h backend.Heads, tokens int) *attentionTest {
	t.Helper()
	q, kv := h.Heads*h.Dim, h.KVHeads*h.Dim
	r := rand.New(rand.NewPCG(8, 9))
	tensor := func(name string, rows, cols int) *backend.Tensor {
		v := host.Floats(rows * cols)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		buf, err := b.Map(unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v)))
		if err != nil {
			t.Fatal(err)
		}
		return &backend.Tensor{Name: name, Type: quant.F32, Rows: rows, Cols: cols, Buf: buf}
	}
	table, projection := tensor("table", tableRows, q+2*kv), tensor("projection", projections, q)
	keys := &backend.State{Name: "keys", Kind: backend.StateKV, Bytes: h.CacheBytes()}
	values := &backend.State{Name: "values", ID: 1, Kind: backend.StateKV, Bytes: h.CacheBytes()}
	freqs := make([]float64, h.Dim/2)
	for i := range freqs {
		freqs[i] = math.Pow(10000, -2*float64(i)/float64(h.Dim))
	}
	record := func(tokens int, attend bool) backend.Exec {
		p := backend.NewRecorder(tokens, tokens)
		x := p.Embed(table)
		p.RopeStore(&backend.RopeStore{Heads: h, Q: p.Cut(x, 0, q), K: p.Cut(x, q, kv), V: p.Cut(x, q+kv, kv), Freqs: freqs, KCache: keys, VCache: values})
		if attend {
			y := p.Attend(&backend.Attend{Heads: h, Q: p.Cut(x, 0, q), KCache: keys, VCache: values})
			p.Logits(p.All(y), nil, projection)
		}
		e, err := b.Compile(p.Program())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { e.Close() })
		return e
	}
	seq, err := b.NewSequence([]*backend.State{keys, values})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seq.Free() })
	return &attentionTest{few: record(backend.MaxVerify, true), run: record(tokens, true), fill: record(tokens, false), seq: seq}
}

// tokensAt are the tokens of positions from pos.
func tokensAt(pos, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32((pos + i) * 31 % tableRows)
	}
	return ids
}

// to fills the cache up to position pos.
func (a *attentionTest) to(t testing.TB, from, pos, step int) {
	for ; from < pos; from += step {
		if _, err := a.fill.Run(backend.Pass(tokensAt(from, min(step, pos-from)), backend.Segment{Seq: a.seq, Pos: from})); err != nil {
			t.Fatal(err)
		}
	}
}

// of is the program of a pass of n tokens.
func (a *attentionTest) of(n int) backend.Exec {
	if n <= backend.MaxVerify {
		return a.few
	}
	return a.run
}

// feed gives the results of n tokens from pos.
func (a *attentionTest) feed(t testing.TB, pos, n int) []float32 {
	out, err := a.of(n).Run(backend.Pass(tokensAt(pos, n), backend.Segment{Seq: a.seq, Pos: pos, Logits: n}))
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(out)
}

// away is the size of the difference over that of want.
func away(got, want []float32) float64 {
	var d, n float64
	for i, w := range want {
		d += (float64(got[i]) - float64(w)) * (float64(got[i]) - float64(w))
		n += float64(w) * float64(w)
	}
	return math.Sqrt(d / n)
}

// Attention agrees with the reference for many geometries, positions and
// numbers of tokens, on every set.
func TestAttention(t *testing.T) {
	const context = 3001
	passes := [][2]int{{0, 1}, {1, 2}, {3, 5}, {8, 16}, {24, 17}, {41, 100}, {500, 16}, {509, 5}, {511, 17}, {1020, 17}, {1500, 100}, {2900, 100}, {3000, 1}}
	for _, h := range []backend.Heads{{Heads: 4, KVHeads: 2, Dim: 64}, {Heads: 32, KVHeads: 8, Dim: 64}, {Heads: 24, KVHeads: 8, Dim: 128}, {Heads: 6, KVHeads: 1, Dim: 20}, {Heads: 50, KVHeads: 1, Dim: 36}} {
		if testing.Short() && h.Heads > 10 {
			continue
		}
		for _, kv := range []quant.Type{quant.F16, quant.F32, quant.Q8_0} {
			h.Context, h.KVType = context, kv
			var want [][]float32
			follow := func(a *attentionTest, result func(i int, out []float32)) {
				at := 0
				for i, p := range passes {
					a.to(t, at, p[0], 100)
					at = p[0] + p[1]
					result(i, a.feed(t, p[0], p[1]))
				}
			}
			follow(newAttentionTest(t, ref.New(2), h, 100), func(_ int, out []float32) { want = append(want, out) })
			for _, s := range kernel.Sets() {
				b, err := NewISA(2, s.Name)
				if err != nil {
					t.Fatal(err)
				}
				follow(newAttentionTest(t, b, h, 100), func(i int, out []float32) {
					if d := away(out, want[i]); !(d < 3e-6) {
						t.Errorf("%s, %d/%d heads of %d, %v: %d tokens at %d: relative error %.1e", s.Name, h.Heads, h.KVHeads, h.Dim, kv, passes[i][1], passes[i][0], d)
					}
				})
				b.Close()
			}
		}
	}
}

// A token's bits depend neither on the number of tokens that share its pass nor
// on the threads nor on the set, also where the pass lies across blocks.
func TestAttentionBits(t *testing.T) {
	for _, kv := range []quant.Type{quant.F16, quant.Q8_0} {
		attentionBits(t, backend.Heads{Heads: 12, KVHeads: 2, Dim: 64, Context: 1100, KVType: kv})
	}
}

func attentionBits(t *testing.T, h backend.Heads) {
	for _, pos := range []int{0, 25, 505, 1015} {
		var want []float32
		for _, s := range kernel.Sets() {
			for _, threads := range []int{1, 2, 3} {
				b, err := NewISA(threads, s.Name)
				if err != nil {
					t.Fatal(err)
				}
				a := newAttentionTest(t, b, h, 100)
				a.to(t, 0, pos, 100)
				if want == nil {
					want = a.feed(t, pos, backend.MaxVerify)
				}
				for n := 1; n <= backend.MaxVerify; n++ {
					var got []float32
					for i := 0; i < backend.MaxVerify; i += n {
						got = append(got, a.feed(t, pos+i, min(n, backend.MaxVerify-i))...)
					}
					if !slices.Equal(got, want) {
						t.Errorf("%s, %v, %d threads: %d tokens a pass at %d give other bits", s.Name, h.KVType, threads, n, pos)
					}
				}
				b.Close()
			}
		}
	}
}

// What lies in the cache beyond a token's position does not reach it, were it
// infinite.
func TestAttentionReadsNothingUnseen(t *testing.T) {
	for _, kv := range []quant.Type{quant.F16, quant.Q8_0} {
		nothingUnseen(t, backend.Heads{Heads: 4, KVHeads: 2, Dim: 32, Context: 200, KVType: kv})
	}
}

func nothingUnseen(t *testing.T, h backend.Heads) {
	for _, s := range kernel.Sets() {
		b, err := NewISA(1, s.Name)
		if err != nil {
			t.Fatal(err)
		}
		a := newAttentionTest(t, b, h, 100)
		want := append(a.feed(t, 0, 16), a.feed(t, 16, 30)...)
		e := a.run.(*exec)
		weights := a.few.(*exec).p.Nodes[0].(*backend.Embed).Table
		for _, n := range e.p.Nodes {
			if n, ok := n.(*backend.Attend); ok {
				for _, s := range []*backend.State{n.KCache, n.VCache} {
					infinite := make([]byte, s.Bytes)
					for i := 0; i < len(infinite); i += 2 {
						infinite[i+1] = 0x7c
					}
					if err := a.seq.Buffer(s).Write(0, infinite); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if got := append(a.feed(t, 0, 16), a.feed(t, 16, 30)...); !slices.Equal(got, want) {
			t.Errorf("%s: %v, before %v", s.Name, got[:4], want[:4])
		}
		// A later token of the same pass has an infinite value.
		infinite := make([]byte, 4*h.KVHeads*h.Dim)
		for i := 0; i < len(infinite); i += 4 {
			infinite[i+2], infinite[i+3] = 0x80, 0x7f
		}
		if err := weights.Buf.Write(4*((int(tokensAt(10, 1)[0])+1)*weights.Cols)-len(infinite), infinite); err != nil {
			t.Fatal(err)
		}
		if got, seen := a.feed(t, 0, 16), 10*projections; !slices.Equal(got[:seen], want[:seen]) {
			t.Errorf("%s: an infinite value reached earlier tokens", s.Name)
		}
		b.Close()
	}
}

func TestAttentionAllocatesNothing(t *testing.T) {
	b := New(2)
	defer b.Close()
	for _, kv := range []quant.Type{quant.F16, quant.Q8_0} {
		a := newAttentionTest(t, b, backend.Heads{Heads: 12, KVHeads: 4, Dim: 64, Context: 2000, KVType: kv}, 100)
		for _, n := range []int{1, 16, 100} {
			p := backend.Pass(tokensAt(0, n), backend.Segment{Seq: a.seq, Pos: 1400})
			if got := testing.AllocsPerRun(20, func() {
				p.Segments[0].Pos++
				if _, err := a.of(n).Run(p); err != nil {
					t.Fatal(err)
				}
			}); got != 0 {
				t.Errorf("%v, %d tokens: %v allocations", kv, n, got)
			}
		}
	}
}

// BenchmarkAttention is the attention of a 3B model: one token at a depth, over
// layers that no cache holds, in bytes of keys and values beside a plain read of
// as much memory in turn (median rates); and a prompt's pass, in multiplications
// and additions.
func BenchmarkAttention(b *testing.B) {
	for _, s := range kernel.Sets() {
		on, err := NewISA(2, s.Name)
		if err != nil {
			b.Fatal(err)
		}
		for _, depth := range []int{4096, 16384} {
			b.Run(fmt.Sprintf("%s/1 token at %d", s.Name, depth), func(b *testing.B) { benchmarkDecode(b, s, on.(*Backend), depth) })
		}
		for _, pos := range []int{0, 7680} {
			b.Run(fmt.Sprintf("%s/512 tokens at %d", s.Name, pos), func(b *testing.B) {
				h := backend.Heads{Heads: 24, KVHeads: 8, Dim: 128, Context: 8192, KVType: quant.F16}
				a := newAttentionTest(b, on, h, 512)
				a.to(b, 0, pos, 512)
				a.feed(b, pos, 512)
				p := backend.Pass(tokensAt(pos, 512), backend.Segment{Seq: a.seq, Pos: pos})
				for b.Loop() {
					a.run.Run(p)
				}
				flops := 4 * float64(h.Heads*h.Dim) * 512 * (float64(pos) + 256.5)
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
		on.Close()
	}
}

func benchmarkDecode(b *testing.B, s *kernel.Set, on *Backend, depth int) {
	h := backend.Heads{Heads: 24, KVHeads: 8, Dim: 128, Context: depth + 1, KVType: quant.F16}
	layers := make([]*attentionTest, 4*16384/depth)
	for i := range layers {
		layers[i] = newAttentionTest(b, on, h, 512)
		layers[i].to(b, 0, depth, 512)
		layers[i].feed(b, depth, 1)
	}
	size := len(layers) * 2 * depth * h.KVHeads * h.Dim * 2
	plain := make([]byte, size)
	for i := range plain {
		plain[i] = 1
	}
	var probes []*kernel.Probes
	for range on.pool.threads {
		probes = append(probes, s.Probes())
	}
	p := backend.Pass(tokensAt(depth, 1), backend.Segment{Pos: depth})
	rate := func(f func()) float64 {
		start := time.Now()
		f()
		return float64(size) / time.Since(start).Seconds() / 1e9
	}
	var attention, read []float64
	for b.Loop() {
		attention = append(attention, rate(func() {
			for _, l := range layers {
				l.run.Run(p)
			}
		}))
		best := 0.0
		for i := range probes[0].Reads {
			best = max(best, rate(func() {
				way := probes[0].Reads[i]
				far, step := size/way.Places, 1<<20/way.Places
				on.pool.each(far/step, 1, func(thread, lo, hi int) {
					probes[thread].Reads[i].From(plain[lo*step:], far, (hi-lo)*step)
				})
			}))
		}
		read = append(read, best)
	}
	slices.Sort(attention)
	slices.Sort(read)
	b.ReportMetric(attention[len(attention)/2], "GB/s")
	b.ReportMetric(read[len(read)/2], "plain-GB/s")
	b.ReportMetric(attention[len(attention)/2]/read[len(read)/2], "share")
	b.ReportMetric(0, "ns/op")
}
