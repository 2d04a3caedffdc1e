package cuda

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/quant"
)

// addArgs are the arguments of the tests' kernel: out[0] = token 0 + pos + state
// + weight, which it ranks best.
type addArgs struct{ out, params, state, weight, table, best uint64 }

// testProgram reads a table and weights in host memory and has one state.
func testProgram(t *testing.T, b *Backend, tokens int) *backend.Program {
	data := make([]byte, 4*64)
	for i := range 64 {
		binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(float32(i)))
	}
	buf, err := b.Map(data)
	if err != nil {
		t.Fatal(err)
	}
	r := backend.NewRecorder(tokens, min(tokens, 2))
	x := r.Embed(&backend.Tensor{Name: "table", Type: quant.F32, Rows: 8, Cols: 4, Buf: buf})
	r.State(&backend.State{Name: "s", Kind: backend.StateRecurrent, Bytes: 64})
	r.Logits(r.All(x), nil, &backend.Tensor{Name: "head", Type: quant.F32, Rows: 5, Cols: 4, Buf: buf, Off: 4 * 32})
	return r.Program()
}

// sequence gives a program's states memory.
func sequence(t *testing.T, b *Backend, p *backend.Program) *backend.Sequence {
	t.Helper()
	q, err := b.NewSequence(p.States)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// planArgs are addArgs before they are bound.
type planArgs struct{ out, params, state, weight, table, best ref }

// testPlan launches the kernel "add" once.
func testPlan(p *backend.Program, tokens int, chip gpu.Chip) (*gpu.Schedule, error) {
	s := &gpu.Schedule{Scratch: []int{0, 1000}, Constants: []byte{1, 2, 3, 4}}
	pl := &gpu.Planner{Schedule: s, P: p, Tokens: tokens, Chip: chip}
	pl.Launch("add", [3]int{1, 1, 1}, 32, planArgs{out: ref{Area: gpu.Logits}, params: ref{Area: gpu.Params}, best: ref{Area: gpu.Best},
		table: ref{Area: gpu.Constants}, state: gpu.OfState(p.States[0]), weight: gpu.OfTensor(p.Nodes[1].(*backend.Logits).W)})
	return s, nil
}

var testImages = []image{testImage("small", "add mul", 75), testImage("small", "add mul native", 90), testImage("small", "add mul newer", 100),
	testImage("big", "tile", 75), testImage("inputs", "load_params", 75)}

// testImage is a module whose kernels are the words of its text.
func testImage(name, text string, minCC int) image {
	i := image{name, minCC, map[string]entry{}, func() ([]byte, error) { return []byte(text), nil }}
	for kernel := range strings.FieldsSeq(text) {
		i.kernels[kernel] = entry{}
	}
	return i
}

func testOpen(t *testing.T, f *fakeDriver) *Backend {
	f.kernels["add"] = func(l *launch) {
		a := (*addArgs)(l.args)
		word := func(p uint64) uint32 { return binary.LittleEndian.Uint32(f.at(p, 4)) }
		sum := float32(word(a.params+4*gpu.ParamTokens)) + float32(word(a.params)) +
			math.Float32frombits(word(a.state)) + math.Float32frombits(word(a.weight)) + float32(word(a.table)>>24)
		for _, p := range []uint64{a.out, a.best} {
			binary.LittleEndian.PutUint32(f.at(p, 4), math.Float32bits(sum))
		}
	}
	f.kernels["load_params"] = func(l *launch) {
		a := (*loadArgs)(l.args)
		copy(f.at(a.to, 4*int(a.words)), f.at(a.from, 4*int(a.words)))
	}
	b, err := open(f, testImages, testPlan, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A pass is one graph launch, logits asked for one copy more, rankings none, and
// everything is given back.
func TestPasses(t *testing.T) {
	f := newFake()
	b := testOpen(t, f)
	p := testProgram(t, b, 16)
	e, err := b.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	capture := []string{"ModuleLoadData load_params", "ModuleGetFunction load_params",
		"StreamSynchronize", "StreamBeginCapture", "LaunchKernel load_params", "LaunchKernel add", "StreamEndCapture", "GraphInstantiate", "GraphDestroy"}
	seq := sequence(t, b, p)
	f.log = nil
	if _, err := e.Run(backend.Pass([]int32{3}, backend.Segment{Seq: seq})); err != nil {
		t.Fatal(err)
	}
	if got := f.log[max(0, len(f.log)-len(capture)-3):]; !slices.Equal(got[:len(capture)], capture) {
		t.Errorf("capture: %q", got)
	}
	if err := seq.Buffer(p.States[0]).Write(0, []byte{0, 0, 0x80, 0x3f}); err != nil { // 1
		t.Fatal(err)
	}
	for i, want := range []struct {
		rows int
		log  []string
	}{
		{1, []string{"CtxSetCurrent", "MemHostAlloc", "CtxSetCurrent", "GraphLaunch", "MemcpyDtoHAsync 20", "StreamSynchronize"}},
		{1, []string{"CtxSetCurrent", "GraphLaunch", "MemcpyDtoHAsync 20", "StreamSynchronize"}},
		{0, []string{"CtxSetCurrent", "GraphLaunch", "StreamSynchronize"}},
	} {
		f.log = nil
		l, err := e.Run(backend.Pass([]int32{3}, backend.Segment{Seq: seq, Pos: 100 + i, Logits: want.rows}))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.log, want.log) {
			t.Errorf("pass %d: %q", i, f.log)
		}
		if want.rows > 0 && l[0] != float32(3+100+i+1+32+4) { // the head's first weight is 32
			t.Errorf("pass %d: logit %v", i, l[0])
		}
	}
	f.log = nil
	best, err := e.(backend.Ranker).RunRanked(backend.Pass([]int32{5}, backend.Segment{Seq: seq, Logits: 1}), []backend.Ranking{{}})
	if err != nil || len(best) != 1 || best[0].Logits[0] != 5+1+32+4 {
		t.Errorf("ranked %v, %v", best, err)
	}
	if !slices.Equal(f.log, []string{"CtxSetCurrent", "GraphLaunch", "StreamSynchronize"}) {
		t.Errorf("a ranked pass: %q", f.log)
	}
	f.log = nil
	if _, err := e.Run(backend.Pass([]int32{1, 2}, backend.Segment{Seq: seq, Logits: 2})); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(f.log, "StreamBeginCapture") || slices.Contains(f.log, "ModuleLoadData add mul native") {
		t.Errorf("another number of tokens: %q", f.log)
	}
	if _, err := e.Run(backend.Pass(make([]int32, 17), backend.Segment{Seq: seq})); err == nil {
		t.Error("17 tokens ran through a program of 16")
	}
	if n := testing.AllocsPerRun(10, func() {
		f.log = f.log[:0]
		e.Run(backend.Pass([]int32{3}, backend.Segment{Seq: seq}))
	}); n > 6 { // the fake's own
		t.Errorf("%v allocations a pass", n)
	}
	for _, err := range []error{e.Close(), seq.Free(), b.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	if got := f.leaks(); got != "0 0 map[]" {
		t.Errorf("not given back: %s", got)
	}
}

// Weights travel once, whatever the number of programs that read them.
func TestUploadOnce(t *testing.T) {
	f := newFake()
	b := testOpen(t, f)
	var told [][2]int64
	b.o.Progress = func(done, total int64) { told = append(told, [2]int64{done, total}) }
	p := testProgram(t, b, 16)
	for range 2 {
		if _, err := b.Compile(p); err != nil {
			t.Fatal(err)
		}
	}
	if want := [][2]int64{{1024, 1024}}; !slices.Equal(told, want) {
		t.Errorf("progress %v, want %v", told, want)
	}
	// The memory may hold other bytes once it was given back.
	free := f.free
	if err := p.Nodes[0].(*backend.Embed).Table.Buf.Free(); err != nil || f.free != free+1024 {
		t.Errorf("%d bytes of weights were freed: %v", f.free-free, err)
	}
}

// Pieces land where the arena has them, in however many parts they travel.
func TestFill(t *testing.T) {
	var pieces []piece
	want := make([]byte, 0)
	for i, n := range []int{300, 1, 5000, 256, 1 << 20, 7} {
		data := make([]byte, n)
		for j := range data {
			data[j] = byte(i + j*7 + 1)
		}
		pieces = append(pieces, piece{data, len(want)})
		want = append(want, data...)
		want = append(want, make([]byte, 256-len(want)%256)...)
	}
	for _, part := range []int{len(want), 100, 4096, 300001} {
		got := make([]byte, len(want))
		for i := range got {
			got[i] = 0xee
		}
		for lo := 0; lo < len(got); lo += part {
			fill(got[lo:min(lo+part, len(got))], lo, pieces)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in parts of %d the arena differs", part)
		}
	}
}

// The graphs used longest ago go, those of prompts earlier, and a sequence's with it.
func TestEvict(t *testing.T) {
	f := newFake()
	b := testOpen(t, f)
	graphs := func(kind string) (n int) {
		for _, k := range f.live {
			if k == kind {
				n++
			}
		}
		return n
	}
	none := graphs("graph exec")
	p := testProgram(t, b, 200)
	e, err := b.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	seq := sequence(t, b, p)
	for n := range 2 * longReplays {
		for _, tokens := range []int{200, 1 + n} {
			if _, err := e.Run(backend.Pass(make([]int32, tokens), backend.Segment{Seq: seq})); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept := e.(*exec).replays
	if len(kept) != longReplays || graphs("graph exec")-none != longReplays {
		t.Errorf("%d graphs kept, %d on the device", len(kept), graphs("graph exec")-none)
	}
	for _, tokens := range []int{200, 2 * longReplays, longReplays + 2} {
		if kept[bound{seq, tokens}] == nil {
			t.Errorf("that of %d tokens is gone", tokens)
		}
	}
	p = testProgram(t, b, 16)
	few, err := b.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	var seqs []*backend.Sequence
	memory := len(f.memory)
	for range 40 {
		seqs = append(seqs, sequence(t, b, p))
		for tokens := 1; tokens <= 16; tokens++ {
			if _, err := few.Run(backend.Pass(make([]int32, tokens), backend.Segment{Seq: seqs[len(seqs)-1]})); err != nil {
				t.Fatal(err)
			}
		}
	}
	kept = few.(*exec).replays
	if len(kept) != mostReplays || kept[bound{seqs[7], 16}] != nil || kept[bound{seqs[8], 1}] == nil {
		t.Errorf("%d short graphs kept", len(kept))
	}
	if n := len(f.memory) - memory; n != len(seqs) {
		t.Errorf("%d allocations for %d sequences of one state", n, len(seqs))
	}
	if err := seqs[39].Free(); err != nil || len(kept) != mostReplays-16 || len(few.(*exec).seqs) != 39 {
		t.Errorf("%d kept behind a sequence: %v", len(kept), err)
	}
}

// Graphs share scratch memory. Where it grows, it moves, and they are made anew.
func TestScratchGrows(t *testing.T) {
	f := newFake()
	b := testOpen(t, f)
	b.plan = func(p *backend.Program, tokens int, chip gpu.Chip) (*gpu.Schedule, error) {
		s, err := testPlan(p, tokens, chip)
		s.Scratch[0] = 1000 / tokens
		return s, err
	}
	p := testProgram(t, b, 64)
	e, err := b.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	seq := sequence(t, b, p)
	memory := len(f.memory)
	for i, n := range []int{64, 40, 50, 40, 64, 1} {
		l, err := e.Run(backend.Pass([]int32{3, 63: 0}[:n], backend.Segment{Seq: seq, Logits: 1}))
		if err != nil || l[0] != 3+32+4 {
			t.Fatalf("%d tokens: %v, %v", n, l, err)
		}
		if kept, want := len(e.(*exec).replays), []int{1, 1, 2, 2, 3, 1}[i]; kept != want || len(f.memory) != memory {
			t.Errorf("%d tokens: %d graphs, want %d; %d more allocations", n, kept, want, len(f.memory)-memory)
		}
	}
	if err := errors.Join(e.Close(), seq.Free(), b.Close()); err != nil || f.leaks() != "0 0 map[]" {
		t.Errorf("not given back: %s, %v", f.leaks(), err)
	}
}

func TestErrors(t *testing.T) {
	run := func(b *Backend, t *testing.T) error {
		p := testProgram(t, b, 16)
		e, err := b.Compile(p)
		if err != nil {
			return err
		}
		seq, err := b.NewSequence(p.States)
		if err == nil {
			_, err = e.Run(backend.Pass([]int32{1}, backend.Segment{Seq: seq}))
		}
		return errors.Join(err, e.Close(), seq.Free())
	}
	for _, c := range []struct {
		name, want string
		change     func(f *fakeDriver)
	}{
		{"memory", "too little GPU memory", func(f *fakeDriver) { f.free = 1200 }},
		{"native code refused", "", func(f *fakeDriver) { f.refused["add mul native"] = noBinaryForGPU }},
		{"compiler", "kernels small: cuModuleLoadDataEx: refused (error 218)", func(f *fakeDriver) { f.refused["add mul native"] = 218 }},
		{"all refused", "kernels small: cuModuleLoadDataEx: refused (error 222)", func(f *fakeDriver) {
			f.refused["add mul native"], f.refused["add mul"] = unsupportedPTX, unsupportedPTX
		}},
		{"capture", "cuStreamEndCapture: the driver's words (error 901)", func(f *fakeDriver) { f.fail["StreamEndCapture"] = 901 }},
		{"launch", "launch 0, load_params[1 1 1][256 1 1]: cuLaunchKernel: the driver's words (error 1)", func(f *fakeDriver) { f.fail["LaunchKernel"] = 1 }},
		{"instantiate", "cuGraphInstantiate", func(f *fakeDriver) { f.fail["GraphInstantiate"] = 2 }},
		{"pinned", "cuMemHostAlloc", func(f *fakeDriver) { f.fail["MemHostAlloc"] = 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake()
			b := testOpen(t, f)
			c.change(f)
			before := len(f.memory)
			err := run(b, t)
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q, want %q", err, c.want)
			}
			if f.capturing {
				t.Error("the stream is still being captured")
			}
			kept := 0
			for _, m := range b.weights {
				kept += len(m.arenas)
			}
			if n := len(f.memory) - kept; n != before {
				t.Errorf("%d allocations left behind", n-before)
			}
		})
	}
}

func TestMemoryErrorNamesSizes(t *testing.T) {
	f := newFake()
	b := testOpen(t, f)
	f.free = 5e6
	_, err := b.alloc(7e6)
	want := "too little GPU memory: 7.0 MB are needed, 5.0 MB of 2147.5 MB are free on Card 0"
	if !errors.Is(err, ErrMemory) || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestBufferBounds(t *testing.T) {
	f := newFake()
	b := testOpen(t, f)
	m, err := b.alloc(transfer + 100)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, transfer+50)
	for i := range data {
		data[i] = byte(i * 31)
	}
	got := make([]byte, len(data))
	if err := errors.Join(m.Write(20, data), m.Read(20, got)); err != nil || !slices.Equal(got, data) {
		t.Errorf("what was written is not read: %v", err)
	}
	head := make([]byte, 20)
	if err := m.Read(0, head); err != nil || !slices.Equal(head, make([]byte, 20)) {
		t.Errorf("memory before a write: %v %v", head, err)
	}
	if err := m.Zero(); err != nil {
		t.Error(err)
	}
	if err := m.Read(0, got); err != nil || slices.Max(got) != 0 {
		t.Errorf("cleared memory is not: %v", err)
	}
	for _, err := range []error{m.Read(-1, got), m.Read(101+50, got), m.Write(m.Size(), []byte{1})} {
		if err == nil {
			t.Error("out of bounds, no error")
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		change func(f *fakeDriver)
		is     error
		want   string
	}{
		{func(f *fakeDriver) { f.fail["Init"] = noDevice }, ErrNoDevice, "no CUDA device: the NVIDIA driver sees no card"},
		{func(f *fakeDriver) { f.ccs = nil }, ErrNoDevice, "no CUDA device: the NVIDIA driver sees no card"},
		{func(f *fakeDriver) { f.version = 10020 }, ErrOld, "the NVIDIA driver is too old: CUDA 11.4 or later is needed (driver 470), this one is for 10.2"},
		{func(f *fakeDriver) { f.ccs = []int{61} }, nil, "Card 0 has compute capability 6.1, 7.5 (Turing) or later is needed"},
		{func(f *fakeDriver) { f.fail["Init"] = 803 }, nil, "cuInit: the driver's words (error 803)"},
		{func(f *fakeDriver) { f.fail["DevicePrimaryCtxRetain"] = 46 }, nil, "Card 0: cuDevicePrimaryCtxRetain: the driver's words (error 46)"},
		{func(f *fakeDriver) { f.fail["StreamCreate"] = 1 }, nil, "Card 0: cuStreamCreate: the driver's words (error 1)"},
	} {
		f := newFake()
		c.change(f)
		_, err := open(f, testImages, testPlan, Options{})
		if err == nil || err.Error() != c.want || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%v, want %s", err, c.want)
		}
		if len(f.live) > 0 {
			t.Errorf("%s: left %v", c.want, f.live)
		}
	}
	f := newFake()
	f.ccs = []int{61, 86}
	if b, err := open(f, testImages, testPlan, Options{}); err != nil || b.Device().Index != 1 {
		t.Errorf("an old card first: %v", err)
	}
}

func TestList(t *testing.T) {
	f := newFake()
	f.ccs = []int{61, 90}
	got := list(f)
	if got.Driver != "12.4" || len(got.Devices) != 2 || got.Devices[0].Why == "" || got.Devices[1].Why != "" ||
		got.Devices[1].Free != 1<<30 || got.Devices[1].Capability != "9.0" || len(f.live) > 0 {
		t.Errorf("%+v", got)
	}
}

// Modules load at their first kernel, and shared memory beyond the default is
// asked for once.
func TestModules(t *testing.T) {
	f := newFake()
	m := newModules(f, testImages, Device{Name: "Card", Capability: "7.5", cc: 75})
	for _, l := range []launch{{kernel: "mul"}, {kernel: "add", shared: 64 << 10}, {kernel: "add", shared: 64 << 10}, {kernel: "mul"}} {
		if _, err := m.function(&l); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"ModuleLoadData add mul", "ModuleGetFunction mul", "ModuleGetFunction add", "FuncSetAttribute 8 65536"}
	if !slices.Equal(f.log, want) {
		t.Errorf("%q", f.log)
	}
	if _, err := m.function(&launch{kernel: "gone"}); err == nil || err.Error() != "no kernel gone for Card (compute capability 7.5)" {
		t.Error(err)
	}
}

// Products of float types prefer a large first cache, which nothing depends on;
// a plan for a chip's own form has no other.
func TestImages(t *testing.T) {
	f := newFake()
	f.fail["FuncSetAttribute"] = 1
	m := newModules(f, []image{testImage("matvec_bf16_few", "floats", 75), testImage("matvec_q8_0", "bytes", 75), testImage("rows_q8_0", "tall", 80), testImage("rows_q8_0", "tall new", 90)}, Device{cc: 90})
	for _, k := range []string{"floats", "bytes"} {
		if _, err := m.function(&launch{kernel: k}); err != nil {
			t.Error(err)
		}
	}
	want := []string{"ModuleLoadData floats", "ModuleGetFunction floats", "FuncSetAttribute 9 0", "ModuleLoadData bytes", "ModuleGetFunction bytes"}
	if !slices.Equal(f.log, want) {
		t.Errorf("%q", f.log)
	}
	f.refused["tall new"] = noBinaryForGPU
	if _, err := m.function(&launch{kernel: "tall"}); err == nil {
		t.Error("an older form stood in")
	}
}

// Without a driver the library says so and nothing else happens.
func TestLibrary(t *testing.T) {
	d, err := library()
	switch {
	case err == nil:
		if _, _, err := probe(d); err != nil {
			t.Logf("a driver, but %v", err)
		}
	case !errors.Is(err, ErrAbsent) && !errors.Is(err, ErrOld):
		t.Error(err)
	default:
		t.Log(err)
	}
}

// Drivers that do not know a Hopper chip's instructions run the kernels of those
// before.
func TestOldDriverNewCard(t *testing.T) {
	for _, c := range []struct{ version, cc, want int }{{11080, 90, tensorCores}, {12000, 90, 90}, {11080, 75, 75}} {
		d := newFake()
		d.version, d.ccs = c.version, []int{c.cc}
		devices, _, err := probe(d)
		if err != nil || devices[0].cc != c.want {
			t.Errorf("driver %d, compute capability %d: %v, want %d (%v)", c.version, c.cc, devices, c.want, err)
		}
	}
}
