package source

import (
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/alloc"
)

// members is the inside of an object of n members.
func members(n int, value string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"%x":%s`, i, value)
	}
	return b.String()
}

// entries is a zip archive of n empty entries, the first of which may be one of
// a checkpoint.
func entries(t *testing.T, n int) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range n {
		if _, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("m/%0100x", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Sizes that only nonsense has are refused, at a cost its bytes bound.
func TestTooMany(t *testing.T) {
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"index":     {"model.safetensors.index.json", `{"weight_map":{` + members(maxTensors+1, `"a"`) + "}}", "262145 keys; at most 262144 are taken"},
		"keys":      {"model.safetensors.index.json", "{" + members(maxKeys+1, "1") + "}", "1025 keys; at most 1024 are taken"},
		"large":     {"model.safetensors.index.json", strings.Repeat(" ", maxIndex+1), "67108865 bytes; at most 67108864 are taken"},
		"tensors":   {"model.safetensors", safetensors("{"+members(maxTensors+2, "{}")+"}", 0), "262146 keys; at most 262145 are taken"},
		"of one":    {"model.safetensors", safetensors(`{"a":{`+members(1<<20, "1")+"}}", 0), "more than 1024 keys"},
		"shape":     {"model.safetensors", safetensors(`{"a":{"dtype":"F32","shape":[`+strings.Repeat("1,", 1<<22)+`1]}}`, 0), "shape has 4194305 entries; at most 8 are taken"},
		"directory": {"pytorch_model.bin", entries(t, 1<<17), "its directory has more than 16777216 bytes"},
	} {
		dir := put(t, map[string]string{c.file: c.text})
		var err error
		grown := alloc.Bytes(func() {
			var ck *Checkpoint
			if ck, err = Open(dir); err == nil {
				ck.Close()
			}
		})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if most := uint64(32*len(c.text) + 1<<20); grown > most {
			t.Errorf("%s: %d bytes of file took %d of memory", name, len(c.text), grown)
		}
	}
	dir := put(t, map[string]string{"config.json": strings.Repeat(" ", maxConfig+1)})
	var v any
	if err := ReadJSON(dir+"/config.json", &v); err == nil || !strings.Contains(err.Error(), "at most 16777216 are taken") {
		t.Error(err)
	}
}
