package source

import (
	"encoding/binary"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSafetensorsMixedTypes(t *testing.T) {
	header := `{"__metadata__":{"format":"pt"},` +
		`"f":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},` +
		`"h":{"dtype":"F16","shape":[2],"data_offsets":[8,12]},` +
		`"b":{"dtype":"BF16","shape":[2],"data_offsets":[12,16]},` +
		`"n":{"dtype":"I64","shape":[],"data_offsets":[16,24]}}`
	file := safetensors(header, 0) + floats(1.5, -2) + "\x00\x3e\x00\xc0" + "\xc0\x3f\x00\xc0" + strings.Repeat("\x01", 8)
	c, err := Open(put(t, map[string]string{"model.safetensors": file}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, name := range []string{"f", "h", "b"} {
		x, _ := c.Tensor(name)
		got := make([]float32, 2)
		if err := c.ReadRows(x, 0, 2, got); err != nil || !slices.Equal(got, []float32{1.5, -2}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if err := c.ReadRows(x, 1, 1, got[:1]); err != nil || got[0] != -2 {
			t.Errorf("%s: second row is %v, %v", name, got[0], err)
		}
	}
	x, _ := c.Tensor("n")
	if err := c.ReadRows(x, 0, 1, make([]float32, 1)); err == nil || !strings.Contains(err.Error(), "I64") {
		t.Errorf("reading integers: %v", err)
	}
}

func TestBadSafetensors(t *testing.T) {
	huge := string(binary.LittleEndian.AppendUint64(nil, math.MaxUint64)) + "{}"
	for name, c := range map[string]struct{ file, want string }{
		"empty":           {"", "0 bytes are too few"},
		"absurd length":   {huge, "a header of 18446744073709551615 bytes"},
		"long header":     {safetensors(`{}`, 0)[:9], "the header ends 1 bytes past the file"},
		"not JSON":        {safetensors(`{"a":`, 0), "not valid JSON"},
		"not an object":   {safetensors(`[1]`, 0), "not a JSON object"},
		"two objects":     {safetensors(`{}{}`, 0), "something follows the JSON object"},
		"not UTF-8":       {safetensors("{\"\xff\":1}", 0), "not UTF-8"},
		"twice":           {safetensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4), "a appears twice"},
		"unknown dtype":   {safetensors(`{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}`, 4), "tensor a: unknown dtype F4"},
		"no shape":        {safetensors(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), "tensor a: it has no shape"},
		"no offsets":      {safetensors(`{"a":{"dtype":"F32","shape":[1]}}`, 4), "tensor a: impossible data_offsets"},
		"negative":        {safetensors(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4), "tensor a: impossible shape [-1]"},
		"overflow":        {safetensors(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 4), "tensor a: impossible shape"},
		"backwards":       {safetensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), "tensor a: impossible data_offsets [4 0]"},
		"other size":      {safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "takes 8 bytes, data_offsets hold 4"},
		"truncated":       {safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4), "tensor a ends 4 bytes past the file"},
		"overlap":         {safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12), "tensor b overlaps a"},
		"gap":             {safetensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "4 bytes before tensor a belong to no tensor"},
		"rest":            {safetensors(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 8), "4 bytes after the last tensor"},
		"name on 2 lines": {safetensors(`{"a\nb":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}`, 4), `tensor "a\nb": unknown dtype`},
		"git-lfs":         {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"},
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, map[string]string{"model.safetensors": c.file}, "model.safetensors: ")
			fails(t, map[string]string{"model.safetensors": c.file}, c.want)
		})
	}
}

// one is a shard with one tensor.
func one(name string) string {
	return safetensors(`{"`+name+`":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)
}

func TestShards(t *testing.T) {
	c, err := Open(put(t, map[string]string{"1.safetensors": one("a"), "2.safetensors": one("b"),
		"model.safetensors.index.json": `{"metadata":{},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.Names(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("tensors %v", got)
	}
}

func TestBadShards(t *testing.T) {
	for name, c := range map[string]struct{ index, want string }{
		"absent file":    {`{"weight_map":{"a":"1.safetensors","b":"3.safetensors"}}`, "model.safetensors.index.json: it names 3.safetensors, which is not here"},
		"absent tensor":  {`{"weight_map":{"a":"1.safetensors","c":"1.safetensors"}}`, "tensor c is not in 1.safetensors"},
		"unlisted":       {`{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}`, "2.safetensors: tensor x is not in model.safetensors.index.json"},
		"other shard":    {`{"weight_map":{"a":"2.safetensors","b":"1.safetensors"}}`, "is in 1.safetensors, not in 2.safetensors"},
		"duplicate":      {`{"weight_map":{"a":"1.safetensors","d":"4.safetensors"}}`, "4.safetensors: tensor a is in 1.safetensors too"},
		"parent folder":  {`{"weight_map":{"a":"../1.safetensors"}}`, "is not a plain file name"},
		"absolute":       {`{"weight_map":{"a":"/etc/passwd"}}`, "is not a plain file name"},
		"windows":        {`{"weight_map":{"a":"..\\x"}}`, "is not a plain file name"},
		"no map":         {`{}`, "weight_map is missing or empty"},
		"not JSON":       {`{"weight_map":`, "model.safetensors.index.json: not valid JSON"},
		"number":         {`{"weight_map":{"a":1}}`, "tensor a: JSON key"},
		"twice":          {`{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}`, "a appears twice"},
		"truncated":      {`{"weight_map":{"a":"cut.safetensors"}}`, "cut.safetensors: tensor a ends 1 bytes past the file"},
		"itself a shard": {`{"weight_map":{"a":"model.safetensors.index.json"}}`, "model.safetensors.index.json: "},
	} {
		t.Run(name, func(t *testing.T) {
			b := strings.Replace(one("b"), "}}", `},"x":{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}`, 1)
			b = safetensors(b[8:len(b)-4], 4)
			fails(t, map[string]string{"model.safetensors.index.json": c.index, "1.safetensors": one("a"), "2.safetensors": b,
				"4.safetensors": one("a"), "cut.safetensors": one("a")[:len(one("a"))-1]}, c.want)
		})
	}
}

func TestNoWeights(t *testing.T) {
	fails(t, nil, "no weights here")
	fails(t, map[string]string{"model-1.safetensors": ""}, "(there is model-1.safetensors)")
	if _, err := Open("nowhere"); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add([]byte(one("a")))
	f.Add([]byte(safetensors(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"BF16","shape":[0,9],"data_offsets":[8,8]}}`, 8)))
	f.Fuzz(func(t *testing.T, data []byte) { readAll(t, (*Checkpoint).readSafetensors, data) })
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":4},"weight_map":{"a":"1.safetensors"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x := &index{file: map[string]string{}}
		if oneLine(t, x.parse(data)) != nil {
			return
		}
		for _, name := range x.files {
			if filepath.Base(name) != name || !filepath.IsLocal(name) {
				t.Errorf("%q leads out of the folder", name)
			}
		}
	})
}
