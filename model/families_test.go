package model_test

import (
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Checkpoints that transformers wrote itself give transformers' own logits, in one
// pass and token by token.
func TestFamilies(t *testing.T) {
	for _, name := range testutil.Families(t) {
		t.Run(name, func(t *testing.T) {
			f, _ := testutil.Convert(t, testutil.Data("families", name), "f32")
			want := testutil.Safetensors(t, testutil.Data("families", name, "expected.safetensors"))
			tokens, rows := want["tokens"].I32, want["logits"].F32
			for _, step := range []bool{false, true} {
				for on, s := range map[string]*model.Session{"cpu": session(t, f, model.Options{}), "ref": plain(t, f, model.Options{})} {
					got := logits(t, s, tokens, step)
					var worst float64
					for i := range rows {
						worst = max(worst, float64(got[i]-rows[i]), float64(rows[i]-got[i]))
					}
					t.Logf("%s, step %t: %.2g", on, step, worst)
					if len(got) != len(rows) || !(worst < 1e-4) {
						t.Errorf("%s, step %t: %d logits of %d, up to %.2g off", on, step, len(got), len(rows), worst)
					}
				}
			}
		})
	}
}
