package cmd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/quant"
)

// FORMAT.md names every key and every tensor that conversion writes, and every
// type with its block.
func TestFormatDocument(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "FORMAT.md"))
	if err != nil {
		t.Fatal(err)
	}
	doc := string(raw)
	// named says whether the text has the name, whole or from a dot on as in
	// "`a.b`, `.c`".
	named := func(name string) bool {
		return strings.Contains(doc, "`"+name+"`") || strings.Contains(doc, "`"+name[max(0, strings.LastIndexByte(name, '.')):]+"`")
	}
	for _, fixture := range append(testutil.Checkpoints(t), "../demo/hybrid-mamba2") {
		f, _ := testutil.Convert(t, testutil.Data("fixtures", fixture), "q4_k_m")
		arch, _, _ := f.KV().String("general.architecture")
		for _, k := range f.KV().Keys() {
			short := k
			if rest, ok := strings.CutPrefix(k, arch+"."); ok {
				short = "ARCH." + rest
			}
			if !named(short) && !named(k) {
				t.Errorf("%s: FORMAT.md does not name key %s", fixture, k)
			}
		}
		for _, info := range f.Tensors() {
			var n int
			name := info.Name
			if _, err := fmt.Sscanf(name, "blk.%d.", &n); err == nil {
				name = strings.TrimPrefix(name, fmt.Sprintf("blk.%d.", n))
			}
			if !strings.Contains(doc, "`"+name+"`") {
				t.Errorf("%s: FORMAT.md does not name tensor %s", fixture, info.Name)
			}
		}
	}
	for _, typ := range quant.Types() {
		s, _ := typ.Spec()
		row := fmt.Sprintf("| %s | %d | %d, %d | %v |", s.Name, typ, s.Block, s.Bytes, float64(s.Bytes)*8/float64(s.Block))
		if !strings.Contains(doc, row) {
			t.Errorf("FORMAT.md has no row %q", row)
		}
	}
	for _, m := range quant.MixNames() {
		if !strings.Contains(doc, m) {
			t.Errorf("FORMAT.md does not name mix %s", m)
		}
	}
}

// A flipped byte of any tensor of a converted model is found, and the tensor
// named.
func TestVerifyEveryTensor(t *testing.T) {
	f, path := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q4_k_m")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.bin")
	for i, info := range f.Tensors() {
		at := info.Offset + uint64(i*7919)%info.Size
		raw[at] ^= 1 << (i % 8)
		if err := os.WriteFile(damaged, raw, 0o644); err != nil {
			t.Fatal(err)
		}
		want := "verify " + damaged + ": tensor " + info.Name + " is damaged"
		if out, err := verify(damaged); out != "" || !errors.Is(err, format.ErrChecksum) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q %v, want %s", out, err, want)
		}
		raw[at] ^= 1 << (i % 8)
	}
}
