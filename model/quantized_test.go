package model_test

import (
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// A quantized file and the same file turned back into float32 give the same
// logits: the kernels read every type as quant unpacks it, and only the type
// of the KV cache differs. Against the checkpoint itself q8_0 may differ by
// what quantization costs these random weights.
func TestQuantizedArithmetic(t *testing.T) {
	cases := []string{testutil.Data("demo", "hybrid-mamba1"), testutil.Data("demo", "hybrid-mamba2")}
	for _, name := range testutil.Fixtures(t) {
		cases = append(cases, testutil.Data("fixtures", name))
	}
	tokens := []int32{5, 400, 17, 88, 301, 2, 77, 140, 9, 63, 255, 411, 30, 31, 32, 33, 34, 500, 123, 7}
	for _, dir := range cases {
		exact, _ := testutil.Convert(t, dir, "f32")
		want := logits(t, session(t, exact, model.Options{Context: 64}), tokens, false)
		for _, mix := range quant.MixNames() {
			f, path := testutil.Convert(t, dir, mix)
			back, _ := testutil.Convert(t, path, "f32")
			got := logits(t, session(t, f, model.Options{Context: 64}), tokens, false)
			plain := logits(t, session(t, back, model.Options{Context: 64}), tokens, false)
			if e := testutil.RelativeError(got, plain); !(e < 2e-3) {
				t.Errorf("%s at %s: %.2g from the same file at f32", dir, mix, e)
			}
			bound := map[string]float64{"f32": 1e-4, "f16": 6e-3, "bf16": 3e-2, "q8_0": 6e-2}[mix]
			if e := testutil.RelativeError(got, want); bound > 0 && !(e < bound) {
				t.Errorf("%s at %s: %.2g from the checkpoint's logits", dir, mix, e)
			}
		}
	}
}
