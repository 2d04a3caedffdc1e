package cpu

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/quant"
)

// mixer is a convolution or a recurrence over random inputs: a table of
// inputs, the node, and an identity so that the logits are what it made.
type mixer struct {
	name   string
	width  int // of the input
	out    int
	record func(m *recording)
}

// recording records a mixer's node; tensors and states are made at the first
// recording and used again by the others.
type recording struct {
	*backend.Recorder
	x       backend.Value
	at      int
	r       *rand.Rand
	on      backend.Backend
	tensors []*backend.Tensor
	states  map[string]*backend.State
	offset  int
}

func (m *recording) tensor(rows, cols int, value func() float32) *backend.Tensor {
	if m.at == len(m.tensors) {
		v := host.Floats(rows * cols)
		for i := range v {
			v[i] = value()
		}
		buf, err := m.on.Map(unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v)))
		if err != nil {
			panic(err)
		}
		m.tensors = append(m.tensors, &backend.Tensor{Name: "w", Type: quant.F32, Rows: rows, Cols: cols, Buf: buf})
	}
	m.at++
	return m.tensors[m.at-1]
}

func (m *recording) normal() float32 { return float32(m.r.NormFloat64()) }
func (m *recording) decay() float32  { return float32(-math.Exp(m.r.NormFloat64())) }

func (m *recording) state(name string, kind backend.StateKind, floats int) *backend.State {
	if m.states[name] == nil {
		m.states[name] = &backend.State{Name: name, ID: len(m.states), Kind: kind, Bytes: 4 * floats}
	}
	return m.State(m.states[name])
}

// sequence gives the states that were recorded memory.
func (m *recording) sequence(tb testing.TB) *backend.Sequence {
	q, err := m.on.NewSequence(slices.Collect(maps.Values(m.states)))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { q.Free() })
	return q
}

func (m *recording) cut(n int) backend.Slice {
	m.offset += n
	return m.Cut(m.x, m.offset-n, n)
}

// vocabulary is how many inputs there are.
const vocabulary = 64

// compile records and compiles the mixer for passes of up to tokens tokens.
func (x *mixer) compile(tb testing.TB, m *recording, tokens int, logits bool) backend.Exec {
	tb.Helper()
	rows := 0
	if logits {
		rows = tokens
	}
	m.Recorder, m.at, m.offset = backend.NewRecorder(tokens, rows), 0, 0
	m.x = m.Embed(m.tensor(vocabulary, x.width, m.normal))
	x.record(m)
	p := m.Program()
	if logits {
		i := -1
		m.Logits(m.All(p.Nodes[len(p.Nodes)-1].Writes()), nil, m.tensor(x.out, x.out, func() float32 {
			if i++; i%(x.out+1) == 0 {
				return 1
			}
			return 0
		}))
	}
	e, err := m.on.Compile(p)
	if err != nil {
		tb.Fatal(x.name, err)
	}
	return e
}

// timeline runs passes; more than backend.MaxVerify tokens are not logged.
type timeline struct {
	tb          testing.TB
	logged, all backend.Exec
	seq         *backend.Sequence
}

func (x *mixer) start(tb testing.TB, on backend.Backend) *timeline {
	m := &recording{r: rand.New(rand.NewPCG(3, uint64(x.width))), on: on, states: map[string]*backend.State{}}
	l := &timeline{tb, x.compile(tb, m, backend.MaxVerify, true), x.compile(tb, m, 300, true), nil}
	l.seq = m.sequence(tb)
	return l
}

// run feeds a pass that is logged if it may be.
func (l *timeline) run(replay int, tokens ...int32) []float32 {
	if len(tokens) > backend.MaxVerify {
		return l.pass(l.all, replay, tokens)
	}
	return l.pass(l.logged, replay, tokens)
}

func (l *timeline) pass(e backend.Exec, replay int, tokens []int32) []float32 {
	out, err := e.Run(backend.Pass(tokens, backend.Segment{Seq: l.seq, Replay: replay, Logits: len(tokens)}))
	if err != nil {
		l.tb.Fatal(err)
	}
	return slices.Clone(out)
}

func pick(r *rand.Rand, n ...int) int { return n[r.IntN(len(n))] }

func convolutionOf(in, dim, repeat, taps int) *mixer {
	var to []int32
	channels := in
	if repeat > 1 {
		channels = in * repeat
		for c := range channels {
			to = append(to, int32(c/dim/repeat*dim+c%dim))
		}
	}
	return &mixer{fmt.Sprintf("convolution of %d, heads of %d %d times, %d taps", in, dim, repeat, taps), in, channels, func(m *recording) {
		m.Conv(&backend.Conv{In: m.cut(in), Map: to, Taps: taps, W: m.tensor(channels, taps, m.normal), Bias: m.tensor(1, channels, m.normal),
			Window: m.state("window", backend.StateWindow, (taps-1+backend.MaxVerify)*in)})
	}}
}

func mamba1Of(channels, x, b, c, n int) *mixer {
	return &mixer{fmt.Sprintf("Mamba-1 of %d channels, x %d, B %d, C %d, N %d", channels, x, b, c, n), x + 2*channels + b + c, channels, func(m *recording) {
		m.Scan1(&backend.Scan1{X: m.cut(x), Dt: m.cut(channels), B: m.cut(b), C: m.cut(c), Z: m.cut(channels), N: n,
			A: m.tensor(channels, n, m.decay), D: m.tensor(1, channels, m.normal), DtBias: m.tensor(1, channels, m.normal),
			H: m.state("h", backend.StateRecurrent, channels*n), Log: m.state("log", backend.StateLog, backend.MaxVerify*backend.Scan1LogWidth(channels, x, b))})
	}}
}

func mamba2Of(heads, p, n, x, b, c, groups int) *mixer {
	X, B, C, inner := x*p, b*n, c*n, heads*p
	return &mixer{fmt.Sprintf("Mamba-2 of %d heads of %dx%d, x %d, B %d, C %d, %d groups", heads, p, n, x, b, c, groups), X + B + C + heads + inner, inner, func(m *recording) {
		m.Scan2(&backend.Scan2{X: m.cut(X), B: m.cut(B), C: m.cut(C), Dt: m.cut(heads), Z: m.cut(inner), Heads: heads, P: p, N: n,
			A: m.tensor(1, heads, m.decay), D: m.tensor(1, heads, m.normal), DtBias: m.tensor(1, heads, m.normal),
			NormWeight: m.tensor(1, inner, m.normal), NormGroups: groups, NormEps: 1e-5,
			H: m.state("h", backend.StateRecurrent, inner*n), Log: m.state("log", backend.StateLog, backend.MaxVerify*backend.Scan2LogWidth(heads, X, B))})
	}}
}

// mixers are some of each kind, of sizes that divide by nothing among them.
func mixers(r *rand.Rand, each int) (out []*mixer) {
	for range each {
		dim, repeat := pick(r, 5, 16, 24), pick(r, 1, 2, 3)
		out = append(out, convolutionOf(dim*pick(r, 1, 2, 5), dim, repeat, pick(r, 2, 3, 4, 20)))

		n, heads := pick(r, 16, 16, 24, 5, 64, 128), pick(r, 1, 2, 3)
		channels := n * heads * repeat
		out = append(out, mamba1Of(channels, n*pick(r, heads, heads*repeat), n*pick(r, heads, 1), n*pick(r, heads*repeat, 1), n))

		p, states := pick(r, 5, 24, 33, 64, 128), pick(r, 7, 16, 24, 64, 128)
		all := heads * repeat
		out = append(out, mamba2Of(all, p, states, pick(r, heads, all), pick(r, heads, 1), pick(r, heads, all, 1), pick(r, 1, heads, all)))
	}
	return out
}

func tokensOf(r *rand.Rand, n int) []int32 {
	t := make([]int32, n)
	for i := range t {
		t[i] = int32(r.IntN(vocabulary))
	}
	return t
}

func newSet(tb testing.TB, threads int, isa string) backend.Backend {
	b, err := NewISA(threads, isa)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { b.Close() })
	return b
}

// Chained passes, logged and not, give what the naive backend gives.
func TestMixers(t *testing.T) {
	for i, s := range kernel.Sets() {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		for _, x := range mixers(r, 7) {
			got, want := x.start(t, newSet(t, 2, s.Name)), x.start(t, ref.New(1))
			logged := 0
			for range 8 {
				n, replay := pick(r, 1, 2, 5, 16, 17, 100, 300), r.IntN(logged+1)
				tokens := tokensOf(r, n)
				var g, w []float32
				whole := n > backend.MaxVerify || r.IntN(3) == 0 // a prompt's end is short too
				if whole {
					g, w = got.pass(got.all, replay, tokens), want.pass(want.all, replay, tokens)
				} else {
					g, w = got.run(replay, tokens...), want.run(replay, tokens...)
				}
				var d, size float64
				for i := range w {
					d += math.Pow(float64(g[i]-w[i]), 2)
					size += math.Pow(float64(w[i]), 2)
				}
				if e := math.Sqrt(d / size); !(e < 1e-5) {
					t.Fatalf("%s, %s: %d tokens after %d replayed: relative error %.1e", s.Name, x.name, n, replay, e)
				}
				if logged = n; whole {
					logged = 0
				}
			}
		}
	}
}

// Whatever is fed and taken back, a token's bits are those of feeding one token
// at a time, on any number of threads.
func TestMixersGoBack(t *testing.T) {
	for i, s := range kernel.Sets() {
		r := rand.New(rand.NewPCG(2, uint64(i)))
		for _, x := range mixers(r, 5) {
			several, single := x.start(t, newSet(t, 3, s.Name)), x.start(t, newSet(t, 1, s.Name))
			kept, before := 0, 0
			for range 12 {
				tokens := tokensOf(r, 1+r.IntN(16))
				got := several.run(kept, tokens...)
				kept = r.IntN(len(tokens) + 1)
				for k := range kept {
					want := single.run(before, tokens[k])
					before = 1
					if !slices.Equal(got[k*x.out:(k+1)*x.out], want) {
						t.Fatalf("%s, %s: token %d of %d differs from feeding one at a time", s.Name, x.name, k, len(tokens))
					}
				}
			}
		}
	}
}

func TestMixersDoNotAllocate(t *testing.T) {
	for _, x := range []*mixer{convolutionOf(48, 16, 3, 4), mamba1Of(72, 24, 24, 72, 24), mamba2Of(6, 24, 32, 2, 2, 6, 6)} {
		l := x.start(t, newSet(t, 2, ""))
		few := backend.Pass(tokensOf(rand.New(rand.NewPCG(1, 1)), 5), backend.Segment{Seq: l.seq, Replay: 3})
		many := backend.Pass(tokensOf(rand.New(rand.NewPCG(1, 1)), 300), backend.Segment{Seq: l.seq})
		if n := testing.AllocsPerRun(20, func() { l.logged.Run(few); l.all.Run(many) }); n != 0 {
			t.Errorf("%s: %v allocations a pass", x.name, n)
		}
	}
}

// BenchmarkMixers times one layer's node on two threads, in the shapes of 3B
// hybrids and of pure Mamba 2.8B and 2.7B.
func BenchmarkMixers(b *testing.B) {
	for _, x := range []*mixer{
		convolutionOf(1024, 128, 3, 4), convolutionOf(5376, 128, 1, 4),
		mamba1Of(3072, 1024, 1024, 3072, 16), mamba1Of(5120, 5120, 16, 16, 16),
		mamba2Of(24, 128, 128, 8, 8, 24, 24), mamba2Of(80, 64, 128, 80, 1, 1, 1),
	} {
		for _, isa := range []string{"avx512", "vnni256", "avx2", "neon"} {
			if _, err := kernel.ByName(isa); err != nil {
				continue
			}
			for _, tokens := range []int{1, 16, 512} {
				b.Run(fmt.Sprintf("%s/%s/%d", x.name, isa, tokens), func(b *testing.B) {
					m := &recording{r: rand.New(rand.NewPCG(1, 1)), on: newSet(b, 2, isa), states: map[string]*backend.State{}}
					e := x.compile(b, m, max(tokens, backend.MaxVerify), false).(*exec)
					p := backend.Pass(tokensOf(m.r, tokens), backend.Segment{Seq: m.sequence(b)})
					if tokens <= backend.MaxVerify {
						p.Segments[0].Replay = 1
					}
					e.steps[0](p)
					for b.Loop() {
						e.steps[1](p)
					}
				})
			}
		}
	}
}
