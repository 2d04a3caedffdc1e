package model_test

import (
	"os"
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
			exact, away := rows, 0.0 // in float64, where transformers itself is away from it (tools/exact.py)
			if path := testutil.Data("families", name, "exact.safetensors"); exists(path) {
				exact = testutil.Safetensors(t, path)["logits"].F32
				away = farthest(rows, exact)
			}
			for _, step := range []bool{false, true} {
				for on, s := range map[string]*model.Session{"cpu": session(t, f, model.Options{}), "ref": plain(t, f, model.Options{})} {
					got := logits(t, s, tokens, step)
					worst, true64 := farthest(got, rows), farthest(got, exact)
					t.Logf("%s, step %t: %.2g, %.2g from float64", on, step, worst, true64)
					if len(got) != len(rows) || !(true64 < 1e-4) || !(worst < 1e-4+away) {
						t.Errorf("%s, step %t: %d logits of %d, up to %.2g off", on, step, len(got), len(rows), worst)
					}
				}
			}
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
