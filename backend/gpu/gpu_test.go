package gpu

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/quant"
)

// one launches a kernel for every node.
type one struct {
	*Planner
	window Window[ref1]
}

type ref1 struct{ at Ref }

func (k *one) add(name string, refs ...Ref) error {
	k.Launch(name, [3]int{1, k.Tokens, 1}, 32, struct{ n int32 }{7}, refs...)
	return nil
}

func (k *one) Embed(n *backend.Embed) error {
	out, _ := k.Value(n.Out)
	return k.add("embed", OfTensor(n.Table), out)
}
func (k *one) MatMul(n *backend.MatMul) error { return k.add("product", k.Reserve(1, 10*k.Tokens)) }
func (k *one) GateUp(n *backend.GateUp) error { return k.add("gate", k.Reserve(0, 4)) }
func (k *one) Finish(n *backend.Finish) error { return k.add("finish") }
func (k *one) RopeStore(n *backend.RopeStore) error {
	return k.add("rope", Constant(k.Planner, n.Freqs))
}
func (k *one) Attend(n *backend.Attend) error { return k.add("attend", OfState(n.KCache)) }
func (k *one) Conv(n *backend.Conv) error {
	if k.ScanReads(n.In.V) {
		k.window.Keep(ref1{OfState(n.Window)}, n.In.N)
	}
	return k.add("conv", Constant(k.Planner, n.Map))
}
func (k *one) Scan1(n *backend.Scan1) error { return nil }
func (k *one) Scan2(n *backend.Scan2) error {
	w, blocks := k.window.Take()
	return k.add(strings.Repeat("scan", blocks), w.at)
}
func (k *one) DeltaScan(n *backend.DeltaScan) error { return nil }
func (k *one) Reorder(n *backend.Reorder) error     { return nil }
func (k *one) Logits(n *backend.Logits) error {
	rows, _ := k.Rows(1)
	return k.add("head", rows)
}
func (k *one) Rank() { k.add("rank") }

// program is attention and a recurrence over one table.
func program(tokens int) *backend.Program {
	r := backend.NewRecorder(tokens, 1)
	w := func(rows, cols int) *backend.Tensor {
		return &backend.Tensor{Name: "w", Type: quant.F32, Rows: rows, Cols: cols}
	}
	state := func(kind backend.StateKind, bytes int) *backend.State {
		return r.State(&backend.State{Name: "s", Kind: kind, Bytes: bytes})
	}
	x := r.Embed(w(10, 96))
	h := backend.Heads{Heads: 1, KVHeads: 1, Dim: 32, Context: 40, KVType: quant.F16}
	k, v := state(backend.StateKV, h.CacheBytes()), state(backend.StateKV, h.CacheBytes())
	freqs := []float64{1, 2}
	for range 2 {
		r.RopeStore(&backend.RopeStore{Heads: h, Q: r.Cut(x, 0, 32), K: r.Cut(x, 32, 32), V: r.Cut(x, 64, 32), Freqs: freqs, KCache: k, VCache: v})
	}
	y := r.Attend(&backend.Attend{Heads: h, Q: r.Cut(x, 0, 32), KCache: k, VCache: v})
	in := r.MatMul(r.All(y), nil, backend.None, w(301, 32))
	c := r.Conv(&backend.Conv{In: r.Cut(in, 0, 260), W: w(260, 4), Bias: w(1, 260), Taps: 4, Window: state(backend.StateWindow, 100)})
	s := r.Scan2(&backend.Scan2{X: r.Cut(c, 0, 4), B: r.Cut(c, 4, 2), C: r.Cut(c, 6, 2), Dt: r.Cut(in, 300, 1), Z: r.Cut(in, 260, 4),
		A: w(1, 1), D: w(1, 1), DtBias: w(1, 1), NormWeight: w(1, 4), NormGroups: 1, Heads: 1, P: 4, N: 2,
		H: state(backend.StateRecurrent, 32), Log: state(backend.StateLog, 4*backend.MaxVerify*7)})
	r.Logits(r.All(s), nil, w(50, 4))
	return r.Program()
}

func TestPlan(t *testing.T) {
	p := program(backend.MaxVerify)
	choose := func(pl *Planner) Kernels { return &one{Planner: pl} }
	s, err := Plan(p, 3, Chip{}, choose)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range s.Launches {
		names = append(names, l.Kernel)
	}
	// The window of 260 values takes two blocks of the scan.
	if want := []string{"embed", "rope", "rope", "attend", "product", "conv", "scanscan", "head", "rank"}; !slices.Equal(names, want) {
		t.Errorf("launches %q, want %q", names, want)
	}
	if s.Ranking != 1 || !slices.Equal(s.Scratch, []int{0, 30}) || len(s.Constants) != Align {
		t.Errorf("%d launches rank, scratch %v, %d bytes of constants", s.Ranking, s.Scratch, len(s.Constants))
	}
	if a, b := s.Launches[1].Refs[0], s.Launches[2].Refs[0]; a != b || a.Area != Constants || a.Bytes != 16 {
		t.Errorf("one slice is copied to %v and %v", a, b)
	}
	if r := s.Launches[5].Refs[0]; r != (Ref{}) {
		t.Errorf("no map lies at %v", r)
	}
	if r := s.Launches[6].Refs[0]; r.State == nil || r.State.Kind != backend.StateWindow {
		t.Errorf("the scan moves %v on", r)
	}
	again, err := Plan(p, 3, Chip{}, choose)
	if err != nil || !reflect.DeepEqual(s, again) {
		t.Errorf("a second plan differs: %v", err)
	}
	for _, st := range p.States {
		if st.Layout != "" || st.Rows != nil {
			t.Errorf("planning changed state %v", st)
		}
	}
	if c := s.Cost(p); c.Launches != 9 || c.Scratch != 30+Align || c.Kernels["rope"] != 2 {
		t.Errorf("cost %+v", c)
	}
	if s, err := Plan(program(backend.MaxVerify+1), 17, Chip{}, choose); err != nil || s.Ranking != 0 {
		t.Errorf("a prompt's pass ranks: %v", err)
	}
}

// Values lie where the program's layout has them, and a part of one ends with its
// last token's channels.
func TestSlice(t *testing.T) {
	p := program(backend.MaxVerify)
	pl := &Planner{P: p, Tokens: 3, layout: backend.PlanValues(p)}
	v := p.Nodes[4].(*backend.MatMul).Out
	r, stride := pl.Slice(backend.Slice{V: v, Off: 260, N: 4})
	if want := (Ref{Area: Values, Off: 4 * (pl.layout.Offset[v] + 260), Bytes: 4 * (2*301 + 4)}); r != want || stride != 301 {
		t.Errorf("%v with stride %d, want %v", r, stride, want)
	}
	if r := r.Skip(8); r.Off != 4*(pl.layout.Offset[v]+262) || r.Bytes != 4*(2*301+2) {
		t.Errorf("behind 8 bytes: %v", r)
	}
	if r := (Ref{}).Skip(8); r != (Ref{}) {
		t.Errorf("behind nothing: %v", r)
	}
}

// A window is taken once.
func TestWindow(t *testing.T) {
	var w Window[int]
	for _, want := range [][2]int{{7, 3}, {0, 0}} {
		if want[1] > 0 {
			w.Keep(7, 2*WindowBlock+1)
		}
		if args, blocks := w.Take(); args != want[0] || blocks != want[1] {
			t.Errorf("took %d in %d blocks, want %v", args, blocks, want)
		}
	}
}

func TestPose(t *testing.T) {
	p := program(backend.MaxVerify)
	block := make([]int32, ParamWords(p))
	recent := make([]int32, 100)
	for i := range recent {
		recent[i] = int32(i)
	}
	pass := backend.Pass([]int32{5, 6}, backend.Segment{Pos: 9, Shift: 32, Replay: 3, Logits: 1})
	SetParams(block, p, pass.Tokens, &pass.Segments[0], &backend.Ranking{Temp: 2, Recent: recent})
	want := []int32{9, 3, 1, 2, 32, 1, int32(math.Float32bits(2)), int32(math.Float32bits(1)), backend.RankWindow}
	if !slices.Equal(block[:len(want)], want) || !slices.Equal(block[ParamTokens:][:2], pass.Tokens) {
		t.Errorf("%v, want %v and the tokens", block, want)
	}
	if got := block[ParamTokens+p.Tokens:]; !slices.Equal(got, recent[len(recent)-backend.RankWindow:]) {
		t.Errorf("recent tokens %v", got)
	}
	SetParams(block, p, pass.Tokens, &pass.Segments[0], nil)
	if block[ParamRanked] != 0 {
		t.Error("a pass without a ranking is ranked")
	}
}

func TestRanking(t *testing.T) {
	words := make([]int32, 2*RankWords)
	row := words[RankWords:]
	row[0], row[1] = int32(math.Float32bits(4)), int32(math.Float32bits(3))
	row[backend.MaxCandidates], row[backend.MaxCandidates+1] = 40, 30
	row[2*backend.MaxCandidates] = int32(math.Float32bits(1.5))
	best := Ranking(nil, words, 2, 2, &backend.Ranking{Temp: 1})
	if b := best[1]; len(best) != 2 || !slices.Equal(b.Tokens, []int32{40, 30}) || !slices.Equal(b.Logits, []float32{4, 3}) || b.Sum != 1.5 {
		t.Errorf("%v", best)
	}
	if unsafe.Pointer(&best[1].Tokens[0]) != unsafe.Pointer(&row[backend.MaxCandidates]) {
		t.Error("the tokens were copied")
	}
	if b := Ranking(nil, words, 2, 2, &backend.Ranking{})[1]; !slices.Equal(b.Tokens, []int32{40}) || len(b.Logits) != 1 || b.Sum != 0 {
		t.Errorf("at temperature 0: %v", b)
	}
}

func TestShapes(t *testing.T) {
	for context, want := range map[int][2]int{1: {128, 1}, 129: {128, 2}, 1 << 15: {128, 256}, 1<<15 + 1: {160, 205}, 1 << 20: {4096, 256}} {
		if split, splits := Parts(&backend.Heads{Context: context}, PartPositions, PartsAtMost); split != want[0] || splits != want[1] {
			t.Errorf("a context of %d has %d parts of %d, want %v", context, splits, split, want)
		}
	}
	// A window touches no more parts than there are, wherever it begins.
	for window, want := range map[int][3]int{1: {128, 1, 64}, 2: {128, 2, 64}, 129: {128, 2, 64}, 130: {128, 3, 64}, 4096: {128, 33, 1376}} {
		h := &backend.Heads{Context: 8192, Window: window}
		split, splits := Parts(h, PartPositions, PartsAtMost)
		few, _ := Parts(h, 64, 4)
		touched := 0
		for p := range 2 * split {
			touched = max(touched, (p+window-1)/split-p/split+1)
		}
		if split != want[0] || splits != want[1] || touched != splits || few != want[2] {
			t.Errorf("a window of %d has %d parts of %d and touches %d, few are of %d, want %v", window, splits, split, touched, few, want)
		}
	}
	for dim, want := range map[int]int{1: 4, 32: 4, 33: 8, 128: 16, 129: 32, 256: 32, 257: 0} {
		if lanes, err := HeadLanes(dim); lanes != want || (err != nil) != (want == 0) {
			t.Errorf("heads of %d have %d lanes, want %d (%v)", dim, lanes, want, err)
		}
	}
	for states, want := range map[int]int32{1: 1, 16: 16, 17: 32, 32: 32, 33: 0} {
		if lanes, err := Scan1Lanes(states); lanes != want || (err != nil) != (want == 0) {
			t.Errorf("%d states have %d lanes, want %d (%v)", states, lanes, want, err)
		}
	}
	for states, want := range map[int]int{1: 8, 9: 16, 256: 256, 257: 0} {
		if room, err := Scan2States(8, states); room != want || (err != nil) != (want == 0) {
			t.Errorf("%d states have room for %d, want %d (%v)", states, room, want, err)
		}
	}
}
