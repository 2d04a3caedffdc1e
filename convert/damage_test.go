package convert

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mil-run/mil/format"
)

// A copy's own checksums would call whole what the file it comes from damaged:
// any changed byte behind the header stops the conversion, which names file,
// tensor and remedy.
func TestDamagedGGUF(t *testing.T) {
	for _, as := range []string{"f32", "q8_0"} {
		good, _ := run(t, "../testdata/fixtures/mamba2-merged", as)
		whole, err := os.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		f, err := format.Parse(format.Aligned(whole), "whole")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "bad.bin")
		for i, info := range f.Tensors() {
			if i%7 != 0 && i != len(f.Tensors())-1 {
				continue
			}
			end := info.Offset + info.Size
			for _, at := range []uint64{info.Offset, info.Offset + info.Size/2, end - 1} {
				bad := slices.Clone(whole)
				bad[at] ^= 1 << (at % 8)
				put(t, path, bad)
				fails(t, path, true, "tensor "+info.Name+" is damaged", "make it again")
			}
			if end < uint64(len(whole)) && end%format.Alignment != 0 {
				bad := slices.Clone(whole)
				bad[end] = 1
				put(t, path, bad)
				fails(t, path, true, "the padding after tensor "+info.Name+" is damaged")
			}
		}
	}
}
