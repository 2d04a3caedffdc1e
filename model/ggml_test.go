package model_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Files that ggml's own converter made give ggml's logits. Those are transformers'
// too, except where ggml computes something else (FORMAT.md says what).
func TestOfGGML(t *testing.T) {
	paths, err := filepath.Glob(testutil.Data("ggml", "*.gguf"))
	if err != nil || len(paths) < 5 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".gguf")
		t.Run(name, func(t *testing.T) {
			f, err := format.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			theirs := testutil.Safetensors(t, testutil.Data("ggml", name+".safetensors"))["logits"].F32
			expected := testutil.Safetensors(t, testutil.Data("families", name, "expected.safetensors"))
			tokens, original := expected["tokens"].I32, expected["logits"].F32
			for on, s := range map[string]func(testing.TB, *format.File, model.Options) *model.Session{"cpu": session, "ref": plain} {
				for _, step := range []bool{false, true} {
					got := logits(t, s(t, f, model.Options{}), tokens, step)
					if d := farthest(got, theirs); !(d < 1e-4) {
						t.Errorf("%s, step %t: %.2g from ggml", on, step, d)
					}
					d, other := farthest(got, original), name == "falcon-mamba" || name == "nemotron-h"
					if other == (d < 1e-4) {
						t.Errorf("%s, step %t: %.2g from transformers", on, step, d)
					}
				}
			}
		})
	}
}

// farthest is the largest difference of two lists of numbers.
func farthest(a, b []float32) float64 {
	if len(a) != len(b) {
		return float64(max(len(a), len(b)))
	}
	var worst float64
	for i := range a {
		worst = max(worst, float64(a[i]-b[i]), float64(b[i]-a[i]))
	}
	return worst
}
