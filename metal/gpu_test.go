package metal

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/quant"
)

// anyModule has every kernel.
func anyModule(kernel string) (name, source string, ok bool) {
	return "all", "kernel void all() {}", kernel != "missing"
}

// recorded is a backend on the recorder.
func recorded(t *testing.T, r *recorder) (*Backend, *hardware) {
	t.Helper()
	g, err := newGPU(r, anyModule)
	if err != nil {
		t.Fatal(err)
	}
	return newBackend(g), g
}

func (r *recorder) check(t *testing.T) {
	t.Helper()
	if len(r.wrong) > 0 {
		t.Errorf("wrong: %q", r.wrong)
	}
	if left := r.left(); len(left) > 0 {
		t.Errorf("not given back: %q", left)
	}
}

// Plans are made for the device's family, or the newest known before it.
func TestFamily(t *testing.T) {
	for family, want := range map[uintptr]string{familyApple7: "apple7", familyApple7 + 2: "apple9", familyApple7 + 9: "apple10"} {
		r := newRecorder()
		r.family = family
		b, _ := recorded(t, r)
		if b.chip.Name != want {
			t.Errorf("family %d: planned for %s, want %s", family, b.chip.Name, want)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		r.check(t)
	}
}

// The conformance table's programs are compiled and run without a wrong message,
// and every object is given back.
func TestMessages(t *testing.T) {
	rows := contract(t)
	for _, c := range conform.Cases() {
		r := newRecorder()
		r.bindings = func(kernel string) int {
			i := slices.IndexFunc(rows, func(a agreed) bool { return a.name.MatchString(kernel) })
			return indexRefs + rows[i].refs
		}
		b, _ := recorded(t, r)
		if err := c.Run(b); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		r.check(t)
		if t.Failed() {
			t.Fatalf("in %s", c.Name)
		}
	}
}

// A pass is one command buffer with one encoder, and says nothing twice.
func TestPass(t *testing.T) {
	r := newRecorder()
	b, g := recorded(t, r)
	p := testProgram(t, b, 16)
	e, err := b.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	seq := sequence(t, b, p)
	for i := range 3 {
		r.log = nil
		if _, err := e.Run(backend.Pass([]int32{3}, backend.Segment{Seq: seq, Pos: i, Logits: 1})); err != nil {
			t.Fatal(err)
		}
		count := map[string]int{}
		for _, m := range r.log {
			count[m]++
		}
		launches := len(e.(*exec).passes[bound{seq, 1}].dispatches) - e.(*exec).passes[bound{seq, 1}].ranking
		for name, want := range map[string]int{"commandBufferWithUnretainedReferences": 1, "computeCommandEncoder": 1, "endEncoding": 1, "commit": 1,
			"waitUntilCompleted": 1, "setBytes:length:atIndex:": launches, "dispatchThreadgroups:threadsPerThreadgroup:": launches} {
			if count[name] != want {
				t.Errorf("%s was sent %d times, want %d", name, count[name], want)
			}
		}
		if count["newBufferWithLength:options:"]+count["newLibraryWithSource:options:error:"] > 0 {
			t.Errorf("pass %d makes objects that stay: %v", i, count)
		}
	}
	// The same pipeline and the same place are not set again.
	pass := e.(*exec).passes[bound{seq, 1}].dispatches
	r.log = nil
	if err := g.run([]dispatch{pass[0], pass[0]}); err != nil {
		t.Fatal(err)
	}
	bound := len(pass[0].buffers)
	if got := strings.Count(strings.Join(r.log, " "), "setBuffer:"); got != bound {
		t.Errorf("%d buffers were bound, want %d", got, bound)
	}
	seq.Free()
	e.Close()
	b.Close()
	r.check(t)
}

// A prompt's kernels run in parts, in order.
func TestLongPass(t *testing.T) {
	on := &parts{paper: paper{kernels: contract(t), buffer: 1 << 30}}
	b := newBackend(on)
	weights, err := b.Map(make([]byte, 4096))
	if err != nil {
		t.Fatal(err)
	}
	r := backend.NewRecorder(40, 1)
	w := &backend.Tensor{Name: "w", Type: quant.F32, Rows: 8, Cols: 8, Buf: weights}
	x := r.Embed(w)
	for range 2*longPart + 3 {
		x = r.MatMul(r.All(x), nil, backend.None, w)
	}
	e, err := b.Compile(r.Program())
	if err != nil {
		t.Fatal(err)
	}
	for tokens, want := range map[int][]int{40: {longPart, longPart, 4}, 3: {2*longPart + 4}} {
		on.lengths = nil
		if _, err := e.Run(backend.Pass(make([]int32, tokens), backend.Segment{})); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(on.lengths, want) {
			t.Errorf("%d tokens ran in parts of %d, want %d", tokens, on.lengths, want)
		}
	}
}

// parts writes down how long the runs are.
type parts struct {
	paper
	lengths []int
}

func (p *parts) run(d []dispatch) error {
	p.lengths = append(p.lengths, len(d))
	return p.paper.run(d)
}

// A failure says Metal's own words, and leaves nothing behind.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *recorder)
		want   string
	}{
		"compile": {func(r *recorder) {
			r.fails["newLibraryWithSource:options:error:"] = "program_source:3:1:\n  error: unknown type"
		},
			"metal: launch 0, embed: compile the kernels all: program_source:3:1: error: unknown type"},
		"pipeline": {func(r *recorder) { r.fails["newComputePipelineStateWithFunction:error:"] = "too many registers" },
			"metal: launch 0, embed: make the kernel embed ready: too many registers"},
		"function": {func(r *recorder) { r.fails["newFunctionWithName:"] = "" }, "metal: launch 0, embed: no kernel embed"},
		"memory": {func(r *recorder) { r.fails["newBufferWithLength:options:"] = "" },
			"MB are needed, 0.0 MB of 8589.9 MB are in use on Apple M1, and one piece holds at most 1073.7 MB"},
		"wrap":     {func(r *recorder) { r.fails["newBufferWithBytesNoCopy:length:options:deallocator:"] = "" }, "are not wrapped by Metal"},
		"threads":  {func(r *recorder) { r.threads = 64 }, "metal: kernel embed: threadgroups of 256 threads, Apple M1 takes 64"},
		"hang":     {func(r *recorder) { r.status = 5 }, "metal: Apple M1: GPU Hang"},
		"commands": {func(r *recorder) { r.fails["commandBufferWithUnretainedReferences"] = "" }, "gives no command buffer"},
		"encoder":  {func(r *recorder) { r.fails["computeCommandEncoder"] = "" }, "gives no command encoder"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder()
			b, _ := recorded(t, r)
			c.change(r)
			err := runOnce(b)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %s", err, c.want)
			}
			if name == "memory" && !errors.Is(err, ErrMemory) {
				t.Errorf("%v is not ErrMemory", err)
			}
			b.Close()
			r.check(t)
		})
	}
}

// runOnce compiles and runs a small program in page-aligned memory.
func runOnce(b *Backend) (err error) {
	weights, err := host.Allocate(1 << 20)
	if err != nil {
		return err
	}
	defer weights.Free()
	buf, err := b.Map(weights.Bytes())
	if err != nil {
		return err
	}
	defer buf.Free()
	e, err := b.Compile(tableProgram(buf))
	if err != nil {
		return err
	}
	defer e.Close()
	_, err = e.Run(backend.Pass([]int32{1}, backend.Segment{Logits: 1}))
	return err
}

// Devices that cannot compute are refused with the reason; a virtual machine's
// computes whatever family it names.
func TestDevices(t *testing.T) {
	for _, c := range []struct {
		name   string
		family uintptr
		want   string
	}{
		{"", familyApple7, ErrNoDevice.Error()},
		{"Apple A13", 1006, "Apple A13 is older than Apple's M1, which has the instructions that are needed"},
		{"Apple Paravirtual device", 1005, ""},
		{"Apple M4 Max", 1009, ""},
	} {
		r := newRecorder()
		r.device, r.family = c.name, c.family
		d := list(r)
		if d.Why != c.want || c.want == "" && *d.Device != (Device{c.name, 8 << 30, 8 << 30, 1 << 30}) {
			t.Errorf("%s: %+v, want %q", c.name, d, c.want)
		}
		r.check(t)
	}
}

// Memory that begins on a page is wrapped where it lies, other memory copied.
func TestWrap(t *testing.T) {
	r := newRecorder()
	b, g := recorded(t, r)
	page := os.Getpagesize()
	m, err := host.Allocate(1<<20 + 100)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	m.Bytes()[0], m.Bytes()[64] = 7, 8
	for _, c := range []struct {
		off    int
		same   bool
		length int
	}{{0, true, 1<<20 + page}, {64, false, 1<<20 + 36}} {
		data := m.Bytes()[c.off:]
		w, err := g.wrap(data)
		if err != nil {
			t.Fatal(err)
		}
		got := w.bytes()
		if same := unsafe.Pointer(&got[0]) == unsafe.Pointer(&data[0]); same != c.same || got[0] != data[0] || len(got) != len(data) {
			t.Errorf("from %d: wrapped %v, %d bytes, the first is %d", c.off, same, len(got), got[0])
		}
		if n := r.objects[w.(*sharedBuffer).id].length; n != c.length {
			t.Errorf("from %d: a buffer of %d bytes, want %d", c.off, n, c.length)
		}
		w.free()
	}
	b.Close()
	r.check(t)
}

// Buffers are read and written within their bounds.
func TestBuffer(t *testing.T) {
	r := newRecorder()
	b, _ := recorded(t, r)
	m, err := b.alloc(10)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if err := errors.Join(m.Write(4, []byte{1, 2, 3}), m.Read(5, got)); err != nil || got[1] != 3 {
		t.Errorf("read %v: %v", got, err)
	}
	if err := errors.Join(m.Zero(), m.Read(4, got)); err != nil || got[0] != 0 {
		t.Errorf("read %v after Zero: %v", got, err)
	}
	if m.Write(8, got) == nil || m.Read(-1, got) == nil || m.Size() != 10 {
		t.Error("a buffer of 10 bytes takes more")
	}
	if _, err := b.alloc(2 << 30); !errors.Is(err, ErrMemory) {
		t.Errorf("more than a buffer may hold: %v", err)
	}
	if err := errors.Join(m.Free(), m.Free(), b.Close()); err != nil {
		t.Error(err)
	}
	r.check(t)
}

// A mapping longer than a buffer may be is wrapped in windows that hold whole
// tensors, and no more of them than needed.
func TestWindows(t *testing.T) {
	page := os.Getpagesize()
	r := newRecorder()
	r.longest = 8*page + 100
	b, _ := recorded(t, r)
	m, err := host.Allocate(256 * page) // large enough to come from the system
	if err != nil {
		t.Fatal(err)
	}
	defer m.Free()
	for _, buf := range mapTwice(t, b, m.Bytes()) {
		for _, c := range []struct{ off, rows, window, at int }{
			{0, 100, 0, 0}, {3 * page, 100, 0, 3 * page}, {8*page - 64, 8, 7 * page, page - 64}, {9 * page, 1, 7 * page, 2 * page},
			{100*page + 64, 8 * page / 64 / 2, 100 * page, 64}, {255 * page, page / 64, 255 * page, 0},
		} {
			w, off, err := b.place(&backend.Tensor{Name: "w", Type: quant.F32, Rows: c.rows, Cols: 16, Buf: buf, Off: c.off})
			if err != nil {
				t.Fatal(err)
			}
			if off != c.at || &w.bytes()[off] != &m.Bytes()[c.off] || len(w.bytes()) > r.longest {
				t.Errorf("tensor at %d: %d in a window of %d bytes", c.off, off, len(w.bytes()))
			}
		}
		if _, _, err := b.place(&backend.Tensor{Name: "big", Type: quant.F32, Rows: 9 * page / 64, Cols: 16, Buf: buf}); !errors.Is(err, ErrMemory) {
			t.Errorf("a tensor longer than a buffer: %v", err)
		}
		if n := len(buf.(*mapped).m.windows); n != 4 {
			t.Errorf("%d windows", n)
		}
		buf.Free()
	}
	if left := r.left(); len(b.weights) > 0 || slices.Contains(left, "MTLBuffer") {
		t.Errorf("the mapping was freed by all who had it: %q are left", left)
	}
	if _, _, err := b.place(&backend.Tensor{Name: "w", Type: quant.F32, Rows: 1, Cols: 16, Buf: m}); err == nil {
		t.Error("another backend's memory was taken")
	}
	b.Close()
	r.check(t)
}

func mapTwice(t *testing.T, b *Backend, data []byte) (out []backend.Buffer) {
	for range 2 {
		m, err := b.Map(data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}
