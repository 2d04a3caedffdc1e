//go:build linux

package metal

import (
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Kernels read weights through windows of a mapping as they read it whole.
func TestKernelsReadWindows(t *testing.T) {
	s := kernelsHere(t)
	f, _ := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "f32")
	want := testutil.Safetensors(t, testutil.Data("fixtures", "mamba2-half", "expected.safetensors"))
	tokens := want["tokens"].I32
	b := newBackend(narrow{s, narrowed})
	on := session(t, b, f, model.Options{})
	if e := testutil.RelativeError(logits(t, on, tokens, 5), want["logits"].F32); !(e < 1e-4) {
		t.Errorf("relative error %.2g of the logits", e)
	}
	for _, m := range b.weights {
		if len(m.windows) < 2 {
			t.Errorf("%d windows of %d bytes hold %d bytes", len(m.windows), narrowed, len(m.data))
		}
	}
}
