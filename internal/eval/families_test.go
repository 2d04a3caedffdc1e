package eval

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/ref"
	"github.com/mil-run/mil/convert/importance"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// familySums reads ids with a backend, in windows of 24 tokens, as mil imatrix does.
func familySums(t *testing.T, m *model.Model, b backend.Backend, ids []int32) map[string]*quant.Moments {
	t.Helper()
	defer b.Close()
	stats, sums, before := importance.New(), map[string]*quant.Moments{}, int64(0)
	b.(backend.Observer).Observe(func(ws []*backend.Tensor, p *backend.Params) (*quant.Moments, int) {
		var names []string
		for _, w := range ws {
			names = append(names, w.Name)
		}
		of := stats.Of(ws[0].Cols, names...)
		for _, w := range ws {
			sums[w.Name] = of
		}
		return of, int(min(max(of.Count-before-int64(p.Segments[0].Pos), 0), int64(len(p.Tokens))))
	})
	s, err := m.NewSession(b, model.Options{Context: 24})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := Read(context.Background(), Text{IDs: ids}, s, 0, func(fed int64) { before = fed }, ignore); err != nil {
		t.Fatal(err)
	}
	return sums
}

// In every family each matrix that tokens are multiplied with has as many inputs as
// tokens were fed. The kernels sum as plain Go does, and the first layer's sums are
// those that follow from the tokens' vectors.
func TestSumsOfFamilies(t *testing.T) {
	ids := make([]int32, 60)
	for i := range ids {
		ids[i] = int32(i * 37 % 480)
	}
	for _, name := range testutil.Families(t) {
		t.Run(name, func(t *testing.T) {
			f, err := format.Open(testutil.Wide(t, name))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			m, err := model.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			want, got := familySums(t, m, ref.New(2), ids), familySums(t, m, cpu.New(2), ids)
			list, err := (&Text{IDs: ids}).cut(24, false)
			if err != nil {
				t.Fatal(err)
			}
			var fed []int32 // a window's last token is only predicted
			for _, w := range list {
				fed = append(fed, ids[w.start:w.end-1]...)
			}
			checkSummed(t, m, f, want, int64(len(fed)))
			for name, sums := range want {
				sameSums(t, name, got[name], sums, 2e-4)
			}
			checkFirst(t, m, f, want, fed)
		})
	}
}

// checkSummed wants sums of count inputs of every matrix, and of no other tensor.
func checkSummed(t *testing.T, m *model.Model, f *format.File, sums map[string]*quant.Moments, count int64) {
	t.Helper()
	head := "token_embd.weight"
	if _, ok := f.Tensor("output.weight"); ok {
		head = "output.weight"
	}
	matrices := 0
	for _, s := range m.Config.Slots() {
		if _, ok := f.Tensor(s.Full()); !ok || !s.Role.Multiplies() && s.Full() != head {
			continue
		}
		matrices++
		if of := sums[s.Full()]; of == nil || of.Count != count || len(of.Squares) != s.Cols {
			t.Errorf("%s: sums %+v, want %d inputs of %d columns", s.Full(), of, count, s.Cols)
		}
	}
	if len(sums) != matrices {
		t.Errorf("%d matrices are summed, the model has %d", len(sums), matrices)
	}
}

// checkFirst computes the input of the first layer's first matrices: the fed tokens'
// vectors, normalized.
func checkFirst(t *testing.T, m *model.Model, f *format.File, sums map[string]*quant.Moments, fed []int32) {
	t.Helper()
	values := func(name string) []float32 {
		info, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("no %s", name)
		}
		b := f.Data(info)
		v := make([]float32, len(b)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		}
		return v
	}
	c := &m.Config
	table, norm := values("token_embd.weight"), values("blk.0.attn_norm.weight")
	scale := c.Scales.Embedding
	if scale == 0 {
		scale = 1
	}
	want := quant.NewMoments(c.DModel)
	for _, id := range fed {
		x := table[int(id)*c.DModel : (int(id)+1)*c.DModel]
		var square float64
		for _, v := range x {
			square += float64(v) * float64(v) * scale * scale
		}
		factor := scale / math.Sqrt(square/float64(c.DModel)+float64(c.Eps))
		row := make([]float32, c.DModel)
		for i, v := range x {
			row[i] = float32(float64(v) * factor * float64(norm[i]))
		}
		want.Add(row)
	}
	var checked []string
	for _, first := range []string{"attn_q", "attn_k", "attn_v", "attn_qkv", "attn_gate", "ssm_beta", "ssm_alpha", "ssm_in"} {
		name := "blk.0." + first + ".weight"
		if of := sums[name]; of != nil {
			sameSums(t, name+" by the tokens' vectors", of, want, 2e-4)
			checked = append(checked, first)
		}
	}
	if all := strings.Join(checked, " "); all != "ssm_in" && all != "attn_q attn_k attn_v" && all != "attn_q attn_k attn_v ssm_in" && all != "attn_qkv attn_gate ssm_beta ssm_alpha" {
		t.Errorf("only %v of the first layer's matrices were checked", checked)
	}
}
