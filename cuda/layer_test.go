package cuda

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/quant"
)

// A layer of a hybrid model takes few launches for a token: products prepare
// the next one's input.
func TestLaunchesOfALayer(t *testing.T) {
	const d, ff, inner, heads, kv = 4096, 14336, 4096, 32, 8
	r := backend.NewRecorder(backend.MaxVerify, 1)
	matrix := func(kind quant.Type, rows, cols int) *backend.Tensor {
		return &backend.Tensor{Name: "w", Type: kind, Rows: rows, Cols: cols}
	}
	vector := func(n int) *backend.Tensor { return matrix(quant.F32, 1, n) }
	norm := func() *backend.Norm { return &backend.Norm{Weight: vector(d)} }
	state := func(kind backend.StateKind, bytes int) *backend.State {
		return r.State(&backend.State{Name: "s", Kind: kind, Bytes: bytes})
	}
	mlp := func(x backend.Value) backend.Value {
		h := r.GateUp(r.All(x), norm(), matrix(quant.Q4_K, ff, d), matrix(quant.Q4_K, ff, d))
		return r.MatMul(r.All(h), nil, x, matrix(quant.Q6_K, d, ff))
	}
	x := r.Embed(matrix(quant.Q4_K, 1000, d))

	r.Layer()
	const hd = d / heads
	h := backend.Heads{Heads: heads, KVHeads: kv, Dim: hd, Context: 4096, KVType: quant.F16}
	k, v := state(backend.StateKV, h.CacheBytes()), state(backend.StateKV, h.CacheBytes())
	qkv := r.MatMul(r.All(x), norm(), backend.None, matrix(quant.Q4_K, d, d), matrix(quant.Q4_K, kv*hd, d), matrix(quant.Q6_K, kv*hd, d))
	q := r.Cut(qkv, 0, d)
	r.RopeStore(&backend.RopeStore{Heads: h, Q: q, K: r.Cut(qkv, d, kv*hd), V: r.Cut(qkv, d+kv*hd, kv*hd), Freqs: make([]float64, hd/2), KCache: k, VCache: v})
	y := r.Attend(&backend.Attend{Heads: h, Q: q, KCache: k, VCache: v})
	x = mlp(r.MatMul(r.All(y), nil, x, matrix(quant.Q4_K, d, d)))

	r.Layer()
	in := r.MatMul(r.All(x), norm(), backend.None, matrix(quant.Q5_K, 4*inner+heads, d))
	conv := r.Conv(&backend.Conv{In: r.Cut(in, inner, 3*inner), W: matrix(quant.F32, 3*inner, 4), Bias: vector(3 * inner), Taps: 4, Window: state(backend.StateWindow, 4*(3+backend.MaxVerify)*3*inner)})
	y = r.Scan2(&backend.Scan2{X: r.Cut(conv, 0, inner), B: r.Cut(conv, inner, inner), C: r.Cut(conv, 2*inner, inner), Dt: r.Cut(in, 4*inner, heads), Z: r.Cut(in, 0, inner),
		A: vector(heads), D: vector(heads), DtBias: vector(heads), NormWeight: vector(inner), NormGroups: heads, Heads: heads, P: hd, N: hd,
		H: state(backend.StateRecurrent, 4*inner*hd), Log: state(backend.StateLog, 4*backend.MaxVerify*backend.Scan2LogWidth(heads, inner, inner))})
	x = mlp(r.MatMul(r.All(y), nil, x, matrix(quant.Q4_K, d, d)))
	r.Logits(r.All(x), norm(), matrix(quant.Q6_K, 1000, d))

	p := r.Program()
	// Eight of attention, six of the recurrence; table, first norm, head, and its
	// ranking.
	s, err := plan(p, 1, testChip(t, "9.0"))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Launches) != 8+6+5 {
		for _, l := range s.Launches {
			t.Log(l.Kernel, l.Note)
		}
		t.Errorf("%d launches", len(s.Launches))
	}
}

func testChip(t *testing.T, name string) gpu.Chip {
	t.Helper()
	i := slices.IndexFunc(Chips, func(c gpu.Chip) bool { return c.Name == name })
	if i < 0 {
		t.Fatal("no chip ", name)
	}
	return Chips[i]
}

// Kernels that let the next launch start early wait for the one before, and what
// is loaded where launches overlap says so in instructions.
func TestOverlap(t *testing.T) {
	entry := regexp.MustCompile(`\.entry (\w+)\(`)
	early := 0
	for _, i := range images() {
		if i.minCC < overlapping {
			continue
		}
		text, err := i.text()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("// griddepcontrol.")) || bytes.Contains(text, []byte(".target sm_75")) {
			t.Errorf("%s for %d is as for older chips", i.name, i.minCC)
		}
		for _, m := range entry.FindAllSubmatch(text, -1) {
			name := string(m[1])
			_, body, _ := bytes.Cut(text, []byte(".entry "+name+"("))
			body, _, _ = bytes.Cut(body, []byte(".entry "))
			lets := bytes.Contains(body, []byte("\tgriddepcontrol.launch_dependents;"))
			waits := i.mayOverlap(name)
			if waits != bytes.Contains(body, []byte("\tgriddepcontrol.wait;")) {
				t.Errorf("%s of %s: the manifest says of waiting %v", name, i.name, waits)
			}
			if lets && !waits {
				t.Errorf("%s lets the next launch start and does not wait itself", name)
			} else if waits {
				early++
			}
		}
	}
	if early < 20 {
		t.Errorf("%d kernels overlap", early)
	}
}
