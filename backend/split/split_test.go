package split_test

import (
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// device is the naive backend in a device's place: a head's outputs come out as
// logits, multiplied by an identity matrix.
type device struct {
	*ref.Backend
	free int64
}

func (d *device) Free() (int64, error) { return d.free, nil }

type head struct {
	backend.Exec
	out []float32
}

func (d *device) Compile(p *backend.Program) (backend.Exec, error) {
	if len(p.Outputs) == 0 {
		return d.Backend.Compile(p)
	}
	v := p.Outputs[0]
	width := p.Widths[v]
	one := make([]byte, 4*width*width)
	spec, _ := quant.F32.Spec()
	row := make([]float32, width)
	for i := range width {
		clear(row)
		row[i] = 1
		spec.Pack(one[4*i*width:4*(i+1)*width], row)
	}
	q := *p
	q.Vocab, q.LogitRows = width, p.Tokens
	q.Nodes = append(slices.Clone(p.Nodes), &backend.Logits{In: backend.Slice{V: v, N: width},
		W: &backend.Tensor{Name: "identity", Type: quant.F32, Rows: width, Cols: width, Buf: host.Map(one)}})
	e, err := d.Backend.Compile(&q)
	return &head{e, host.Floats(p.Tokens * width)}, err
}

func (h *head) Run(p *backend.Params) ([]float32, error) {
	q := *p
	q.Segments = slices.Clone(p.Segments)
	for i := range q.Segments {
		q.Segments[i].Logits = q.Segments[i].N
	}
	l, err := h.Exec.Run(&q)
	copy(h.out, l)
	return nil, err
}

func (h *head) Output(int) []float32 { return h.out }

// Wherever a model is cut, the logits are those of the whole.
func TestCutAnywhere(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cutAnywhere(t, f, true)
	for _, name := range testutil.Checkpoints(t) {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), "q8_0")
			cutAnywhere(t, f, false)
		})
	}
}

// cutAnywhere cuts a model behind every layer. known says that the KV cache's type
// shows in the logits.
func cutAnywhere(t *testing.T, f *format.File, known bool) {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	run := func(b backend.Backend, kv model.KVType) (out []float32) {
		s, err := m.NewSession(b, model.Options{Context: 64, KV: kv})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		feed := func(want model.Want, tokens ...int32) {
			l, err := s.Feed(tokens, want)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, l...)
		}
		feed(model.WantAll, 5, 6, 7, 8, 9)
		if err := s.Commit(2); err != nil {
			t.Fatal(err)
		}
		feed(model.WantLast, make([]int32, 20)...)
		snap, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		feed(model.WantLast, 3)
		if err := s.Restore(snap); err != nil {
			t.Fatal(err)
		}
		feed(model.WantAll, 11, 12)
		return out
	}
	want := [2][]float32{run(ref.New(0), model.KVF16), run(ref.New(0), model.KVQ8_0)}
	if known && slices.Equal(want[0], want[1]) {
		t.Error("the type of the KV cache does not matter")
	}
	for layers := range m.Config.Depth + 1 {
		told := -1
		b := split.New(&device{Backend: ref.New(0)}, ref.New(0), layers, func(n, of int) { told = n })
		if !slices.Equal(run(b, []model.KVType{model.KVF16, model.KVQ8_0}[layers%2]), want[layers%2]) || told != layers {
			t.Errorf("cut after %d layers (told %d): the logits differ", layers, told)
		}
		b.Close()
	}
}

// The number of layers follows from sizes alone: no device is asked.
func TestLayers(t *testing.T) {
	r := backend.NewRecorder(4, 1)
	tensor := func(name string, rows, off int) *backend.Tensor {
		return &backend.Tensor{Name: name, Type: quant.F32, Rows: rows, Cols: 8, Off: off}
	}
	table := tensor("table", 100, 0) // 3200 bytes, also the head
	x := r.Embed(table)
	for i := range 4 { // 256 bytes of weights and 100 of state each
		r.Layer()
		x = r.MatMul(r.All(x), nil, backend.None, tensor("w", 8, 4000+256*i))
		x = r.Conv(&backend.Conv{In: r.All(x), Taps: 8, W: tensor("c", 8, 4000+256*i), Bias: &backend.Tensor{Name: "b", Rows: 1, Cols: 8, Type: quant.F32, Off: 4000 + 256*i},
			Window: r.State(&backend.State{Kind: backend.StateWindow, Bytes: 100})})
	}
	r.Logits(r.All(x), nil, table)
	for bytes, want := range map[int64]int{0: 0, 3555: 0, 3556: 1, 3200 + 3*356: 3, 3200 + 4*356 - 1: 3, 3200 + 4*356: 4, 1 << 40: 4} {
		if n := split.Layers(r.Program(), bytes); n != want {
			t.Errorf("%d bytes take %d layers, want %d", bytes, n, want)
		}
	}
}

func TestFit(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for free, want := range map[int64]int{1 << 40: m.Config.Depth, 1 << 20: 0} {
		told := -1
		b := split.New(&device{ref.New(1), free}, ref.New(1), split.Fit, func(n, of int) { told = n })
		s, err := m.NewSession(b, model.Options{Context: 64})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if told != want {
			t.Errorf("%d bytes free: %d layers, want %d", free, told, want)
		}
	}
}
