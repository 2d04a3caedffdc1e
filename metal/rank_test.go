package metal

import (
	"errors"
	"slices"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/internal/host"
	"github.com/mil-run/mil/quant"
)

// Every ranking is planned with kernels and memories as agreed, sent without a
// wrong message, and leaves nothing behind.
func TestRankingMessages(t *testing.T) {
	rows := contract(t)
	for _, c := range conform.RankCases() {
		r := newRecorder()
		r.bindings = func(kernel string) int {
			i := slices.IndexFunc(rows, func(a agreed) bool { return a.name.MatchString(kernel) })
			return indexRefs + rows[i].refs
		}
		b, _ := recorded(t, r)
		if err := errors.Join(c.Run(newBackend(&paper{kernels: rows, buffer: 1 << 30})), c.Run(b), b.Close()); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		r.check(t)
	}
}

// A ranking is two more launches at the end of the pass's command buffer, waited
// for once, and only where it is asked for; its result is not copied.
func TestRankedPass(t *testing.T) {
	r := newRecorder()
	b, _ := recorded(t, r)
	weights, err := host.Allocate(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	defer weights.Free()
	buf, err := b.Map(weights.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	program := tableProgram(buf)
	x, err := b.Compile(program)
	if err != nil {
		t.Fatal(err)
	}
	e := x.(*exec)
	var kernels []string
	r.tamper = func(m *message) bool {
		if m.name == "setComputePipelineState:" {
			kernels = append(kernels, r.objects[id(m.args[0].word)].text)
		}
		return false
	}
	p := backend.Pass([]int32{1, 2, 3}, backend.Segment{Logits: 2})
	if _, err := e.RunRanked(p, []backend.Ranking{{}}); err != nil {
		t.Fatal(err)
	}
	plain := []string{"embed", "matvec_f32_4"}
	for _, c := range []struct {
		run     func() ([]backend.Best, error)
		kernels []string
	}{
		{func() ([]backend.Best, error) { return e.RunRanked(p, []backend.Ranking{{Temp: 1}}) }, append(slices.Clone(plain), "rank", "rank_best")},
		{func() ([]backend.Best, error) { _, err := e.Run(p); return nil, err }, plain},
	} {
		kernels, r.log = nil, nil
		best, err := c.run()
		if err != nil || !slices.Equal(kernels, c.kernels) {
			t.Errorf("ran %q, want %q: %v", kernels, c.kernels, err)
		}
		for _, name := range []string{"commandBufferWithUnretainedReferences", "endEncoding", "commit", "waitUntilCompleted"} {
			if n := len(slices.DeleteFunc(slices.Clone(r.log), func(s string) bool { return s != name })); n != 1 {
				t.Errorf("%q: %s was sent %d times", c.kernels, name, n)
			}
		}
		if i := len(best) - 1; i >= 0 && (len(best) != 2 || len(best[i].Tokens) != program.Vocab ||
			unsafe.Pointer(&best[i].Tokens[0]) != unsafe.Pointer(&e.memory[gpu.Best].bytes()[4*(gpu.RankWords*i+backend.MaxCandidates)])) {
			t.Errorf("%d rows of the device's memory", len(best))
		}
	}
	for i, want := range []bool{true, true, false} {
		if row, err := e.Row(i); (err == nil) != want || want && len(row) != program.Vocab {
			t.Errorf("row %d of 2: %d values, %v", i, len(row), err)
		}
	}
	long := backend.NewRecorder(backend.MaxVerify+1, 1)
	long.Logits(long.All(long.Embed(&backend.Tensor{Name: "table", Type: quant.F32, Rows: 8, Cols: 32, Buf: buf})), nil, &backend.Tensor{Name: "head", Type: quant.F32, Rows: 5, Cols: 32, Buf: buf})
	other, err := b.Compile(long.Program())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.(*exec).RunRanked(p, []backend.Ranking{{}}); err == nil {
		t.Error("a prompt's rows were ranked")
	}
	if err := errors.Join(e.Close(), other.Close(), buf.Free(), b.Close()); err != nil {
		t.Error(err)
	}
	r.check(t)
}
