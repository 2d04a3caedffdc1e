package model_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Files that earlier versions wrote, one of each architecture and kind of
// layer, stay readable and give the logits that those versions computed. The
// files are never made anew.
func TestWrittenEarlier(t *testing.T) {
	want := testutil.Safetensors(t, testutil.Data("written", "expected.safetensors"))
	paths, err := filepath.Glob(testutil.Data("written", "*.gguf"))
	if err != nil || len(paths) < 5 {
		t.Fatal(paths, err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".gguf")
		f, err := format.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Verify(nil); err != nil {
			t.Error(err)
		}
		m, err := model.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		seen[m.Config.Arch] = true
		tokens := want["tokens"].I32
		for on, bound := range map[string]float64{"ref": 1e-5, "cpu": 6e-2} {
			s := plain(t, f, model.Options{Context: 64})
			if on == "cpu" { // whose activations are int8
				s = session(t, f, model.Options{Context: 64})
			}
			got, err := s.Feed(tokens, model.WantLast)
			if err != nil {
				t.Fatal(err)
			}
			e := testutil.RelativeError(got, want[name].F32)
			t.Logf("%s on %s: %.2g", name, on, e)
			if !(e < bound) {
				t.Errorf("%s on %s: the logits are %.2g from those of before", name, on, e)
			}
		}
	}
	if known := slices.Sorted(maps.Keys(seen)); !slices.Equal(known, model.Known()) {
		t.Errorf("files of %v, and mil runs %v; a new architecture leaves a small file here", known, model.Known())
	}
}
