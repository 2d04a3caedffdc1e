package convert

import (
	"math"
	"slices"
	"testing"

	"github.com/mil-run/mil/internal/source"
)

// weights reads a checkpoint's tensors one under another.
func weights(t *testing.T, c *source.Checkpoint, names ...string) []float32 {
	t.Helper()
	var all []float32
	for _, name := range names {
		x, ok := c.Tensor(name)
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		v := make([]float32, x.Len())
		if err := c.ReadRows(x, 0, x.Rows(), v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v...)
	}
	return all
}

// TestMixerValues checks what is stored of a recurrence: A instead of its
// logarithm, the bias of dt twice in Mamba-1 hybrids and only there, and one
// projection of z, x, B, C, dt.
func TestMixerValues(t *testing.T) {
	for name, c := range map[string]struct {
		layer   string // in the checkpoint
		in      []string
		bias    string
		doubled bool
	}{
		"mamba1-half": {"model.layers.0.mamba.", []string{"in_proj_z.weight", "in_proj_x.weight", "B_proj.weight", "C_proj.weight", "dt_proj_down.weight"}, "dt_proj.bias", true},
		"mamba2-half": {"model.layers.0.mamba.", []string{"in_proj.weight"}, "dt_bias", false},
		"pure-mamba1": {"backbone.layers.0.mixer.", []string{"in_proj.weight"}, "dt_proj.bias", false},
		"pure-mamba2": {"backbone.layers.0.mixer.", []string{"in_proj.weight"}, "dt_bias", false},
	} {
		t.Run(name, func(t *testing.T) {
			ck, err := source.Open("../testdata/fixtures/" + name)
			if err != nil {
				t.Fatal(err)
			}
			defer ck.Close()
			out, _ := run(t, "../testdata/fixtures/"+name, "f32")
			g := read(t, out)
			for i := range c.in {
				c.in[i] = c.layer + c.in[i]
			}
			if !slices.Equal(g.floats(t, "blk.0.ssm_in.weight"), weights(t, ck, c.in...)) {
				t.Errorf("ssm_in is not %v", c.in)
			}
			bias := weights(t, ck, c.layer+c.bias)
			if c.doubled {
				for i := range bias {
					bias[i] *= 2
				}
			}
			if !slices.Equal(g.floats(t, "blk.0.ssm_dt.bias"), bias) {
				t.Errorf("ssm_dt.bias is not %s, doubled: %t", c.bias, c.doubled)
			}
			a := weights(t, ck, c.layer+"A_log")
			for i, got := range g.floats(t, "blk.0.ssm_a") {
				if want := -math.Exp(float64(a[i])); math.Abs(float64(got)-want) > 1e-6*math.Abs(want) {
					t.Fatalf("ssm_a[%d] is %g, want %g", i, got, want)
				}
			}
			if !slices.Equal(g.floats(t, "blk.0.ssm_d"), weights(t, ck, c.layer+"D")) {
				t.Error("ssm_d is not D")
			}
		})
	}
}
