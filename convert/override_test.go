package convert

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

func overrides(t *testing.T, list ...string) (out []Override) {
	t.Helper()
	for _, s := range list {
		v, err := ParseOverride(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// The first pattern that matches a tensor wins over the mix; what models read
// as f32 stays so.
func TestOverrides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "model.bin")
	o := Options{Output: path, Type: mix(t, "q8_0"), Overrides: overrides(t, "blk.0.ssm_in.weight=f16", "blk.*.ssm_in.weight=Q4_0", "blk.0.*=bf16")}
	if _, err := Run(context.Background(), fixture(t, "mamba2-half"), o); err != nil {
		t.Fatal(err)
	}
	f, err := format.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	ssmIn := 0
	for _, info := range f.Tensors() {
		want := quant.Q8_0
		slot, _ := m.Slot(info.Name)
		switch {
		case slot.Role.Exact():
			want = quant.F32
		case info.Name == "blk.0.ssm_in.weight":
			want = quant.F16
		case strings.HasSuffix(info.Name, "ssm_in.weight"):
			want = quant.Q4_0
			ssmIn++
		case strings.HasPrefix(info.Name, "blk.0."):
			want = quant.BF16
		}
		if got := quant.Fallback(want, int(info.Dims[0])); info.Type != got {
			t.Errorf("%s is %s, want %s", info.Name, info.Type, got)
		}
	}
	if ssmIn == 0 {
		t.Error("no tensor was under the second pattern alone")
	}
}

func TestOverrideErrors(t *testing.T) {
	for s, want := range map[string]string{
		"q8_0": "is not PATTERN=TYPE", "=q8_0": "is not PATTERN=TYPE", "[=q8_0": "is no pattern", "a=q9": `unknown type "q9"`,
	} {
		if _, err := ParseOverride(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", s, err)
		}
	}
	for s, want := range map[string]string{
		"blk.*.ssm_conv1d.weight=q8_0": "stays f32: models read it so",
		"nothing=q8_0":                 "no tensor of",
	} {
		dir := t.TempDir()
		o := Options{Output: filepath.Join(dir, "model.bin"), Type: mix(t, "q8_0"), Overrides: overrides(t, s)}
		if _, err := Run(context.Background(), fixture(t, "mamba2-half"), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", s, err)
		}
		left(t, dir)
	}
}
