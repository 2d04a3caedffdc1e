package format

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/mil-run/mil/internal/alloc"
	"github.com/mil-run/mil/quant"
)

// foreign is a file as other tools write it, assembled by the specification:
// no checksums, no alignment key (so 32), no padding at the end.
func foreign() []byte {
	var s spec
	s.WriteString("GGUF")
	s.put(uint32(3), uint64(2), uint64(5))
	s.put("general.architecture", uint32(8), "llama")
	s.put("llama.block_count", uint32(10), uint64(22))
	s.put("tokenizer.ggml.tokens", uint32(9), uint32(8), uint64(2), "a", "\xff\xfe")
	s.put("tokenizer.ggml.scores", uint32(9), uint32(6), uint64(2), float32(-1), float32(0.5))
	s.put("x.small", uint32(1), int8(-3))
	s.put("w", uint32(2), uint64(2), uint64(2), uint32(0), uint64(0))
	s.put("v", uint32(1), uint64(32), uint32(2), uint64(32))
	for s.Len()%32 != 0 {
		s.put(uint8(0))
	}
	s.put([]float32{1, 2, 3, 4}, make([]byte, 16), bytes.Repeat([]byte{9}, 18))
	return s.Bytes()
}

func TestForeign(t *testing.T) {
	raw := foreign()
	f, err := Parse(raw, "llama.gguf")
	if err != nil {
		t.Fatal(err)
	}
	m := f.KV()
	arch, ok, err := m.String("general.architecture")
	if arch != "llama" || !ok || err != nil {
		t.Error(arch, ok, err)
	}
	if n, ok, err := m.Uint("llama.block_count"); n != 22 || !ok || err != nil {
		t.Error(n, ok, err)
	}
	if v, _, err := m.Strings("tokenizer.ggml.tokens"); err != nil || !reflect.DeepEqual(v, []string{"a", "\xff\xfe"}) {
		t.Errorf("%q %v", v, err)
	}
	if v, _, err := m.Floats("tokenizer.ggml.scores"); err != nil || !reflect.DeepEqual(v, []float64{-1, 0.5}) {
		t.Error(v, err)
	}
	if v, _, err := m.Int("x.small"); err != nil || v != -3 {
		t.Error(v, err)
	}
	w, ok := f.Tensor("w")
	if !ok || w.Type != quant.F32 || w.Values() != 4 || w.Size != 16 || w.Offset != uint64(len(raw)-32-18) {
		t.Error(w, ok)
	}
	v, _ := f.Tensor("v")
	if !bytes.Equal(f.Data(v), bytes.Repeat([]byte{9}, 18)) {
		t.Error(f.Data(v))
	}
	if f.Ours() {
		t.Error("taken for ours")
	}
	if err := f.Verify(nil); !errors.Is(err, ErrNoChecksums) {
		t.Error(err)
	}
	if size, crc := f.Header(); crc != slowSum(raw[:size]) {
		t.Error("another checksum of the header")
	}
	// Any cut takes something away.
	for n := range raw {
		if _, err := Parse(raw[:n:n], "llama.gguf"); err == nil {
			t.Errorf("cut to %d of %d bytes it opens", n, len(raw))
		} else if n >= 4 && !errors.Is(err, ErrTruncated) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestGetters(t *testing.T) {
	f, err := Parse(foreign(), "m.gguf")
	if err != nil {
		t.Fatal(err)
	}
	m := f.KV()
	_, ok, err := m.Uint("absent")
	if ok || err != nil {
		t.Error(ok, err)
	}
	for want, get := range map[string]func() error{
		"m.gguf: key general.architecture is of type string, not an unsigned integer":           func() error { _, _, err := m.Uint("general.architecture"); return err },
		"m.gguf: key llama.block_count is of type uint64, not a string":                         func() error { _, _, err := m.String("llama.block_count"); return err },
		"m.gguf: key llama.block_count is of type uint64, not a float":                          func() error { _, _, err := m.Float("llama.block_count"); return err },
		"m.gguf: key llama.block_count is of type uint64, not a bool":                           func() error { _, _, err := m.Bool("llama.block_count"); return err },
		"m.gguf: key llama.block_count is of type uint64, not an array of integers":             func() error { _, _, err := m.Ints("llama.block_count"); return err },
		"m.gguf: key tokenizer.ggml.tokens is an array of string, not a string":                 func() error { _, _, err := m.String("tokenizer.ggml.tokens"); return err },
		"m.gguf: key tokenizer.ggml.tokens is an array of string, not an array of bools":        func() error { _, _, err := m.Bools("tokenizer.ggml.tokens"); return err },
		"m.gguf: key tokenizer.ggml.scores is an array of float32, not an array of strings":     func() error { _, _, err := m.Strings("tokenizer.ggml.scores"); return err },
		"m.gguf: key x.small is -3, which does not fit an unsigned integer":                     func() error { _, _, err := m.Uint("x.small"); return err },
		"m.gguf: key tokenizer.ggml.scores is an array of float32, not an array of unsigned in": func() error { _, _, err := m.Uints("tokenizer.ggml.scores"); return err },
	} {
		err := get()
		if err == nil || !strings.HasPrefix(err.Error(), want) || !errors.Is(err, ErrKeyType) {
			t.Errorf("got %v, want %s", err, want)
		}
	}

	_, raw := writeSmall(t, Arch)
	if f, err = Parse(raw, "s"); err != nil {
		t.Fatal(err)
	}
	if v, _, err := f.KV().Ints("a.ints"); err != nil || !reflect.DeepEqual(v, []int64{-1, 2}) {
		t.Error(v, err)
	}
	if _, _, err := f.KV().Uints("a.ints"); err == nil || err.Error() != "s: key a.ints[0] is -1, which does not fit an array of unsigned integers" {
		t.Error(err)
	}
	if v, ok, err := f.KV().Bool("a.flag"); !v || !ok || err != nil {
		t.Error(v, ok, err)
	}
	if !f.KV().IsArray("a.ints") || f.KV().IsArray("a.flag") || f.KV().IsArray("no") || !f.KV().Has("a.flag") {
		t.Error("IsArray or Has")
	}
}

// one assembles a file around a few bytes of header.
func one(tensors, keys uint64, vs ...any) []byte {
	var s spec
	s.WriteString("GGUF")
	s.put(uint32(3), tensors, keys)
	s.put(vs...)
	return append(s.Bytes(), make([]byte, 256)...)
}

func TestBadInput(t *testing.T) {
	const f32 = uint32(0)
	huge := uint64(1) << 60
	for want, raw := range map[string][]byte{
		"not a GGUF file: it is empty":                                  {},
		`not a GGUF file: it begins with "PK\x03\x04", not "GGUF"`:      []byte("PK\x03\x04aaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"GGUF version 1, of August 2023; versions 2 and 3 are read":     append([]byte("GGUF\x01\x00\x00\x00"), make([]byte, 99)...),
		"GGUF version 4; versions 2 and 3 are read":                     append([]byte("GGUF\x04\x00\x00\x00"), make([]byte, 99)...),
		"a big-endian GGUF file (version 3); only little-endian":        append([]byte("GGUF\x00\x00\x00\x03"), make([]byte, 99)...),
		"tensors declared at offset 16, and the rest of the file holds": one(huge, 0),
		"metadata keys declared at offset 24, and the rest":             one(0, huge),
		"a metadata key at offset 24 is 1152921504606846976 bytes long": one(0, 1, huge),
		"the value of key k at offset 45 is 1152921504606846976 bytes":  one(0, 1, "k", uint32(8), huge),
		"strings of key k declared at offset 49, and the":               one(0, 1, "k", uint32(9), uint32(8), huge),
		"elements of key k declared at offset 49, and the":              one(0, 1, "k", uint32(9), uint32(12), huge),
		"key k holds an array of elements of type 9, which mil":         one(0, 1, "k", uint32(9), uint32(9), uint64(1)),
		"key k has type 13, which GGUF does not know":                   one(0, 1, "k", uint32(13), uint64(1)),
		"key k holds a bool of value 2 at offset 37":                    one(0, 1, "k", uint32(7), uint8(2)),
		"key k is there twice":                                          one(0, 2, "k", uint32(7), uint8(1), "k", uint32(7), uint8(1)),
		`key "a\nb" has type 77`:                                        one(0, 1, "a\nb", uint32(77)),
		"key general.alignment is 12, not a power of two from 8":        one(0, 1, "general.alignment", uint32(4), uint32(12)),
		"key general.alignment is 0, not a power of two from 8":         one(0, 1, "general.alignment", uint32(4), uint32(0)),
		"key general.alignment is of type string, not an":               one(0, 1, "general.alignment", uint32(8), "x"),
		"tensor a has 5 dimensions, not 1 to 4":                         one(1, 0, "a", uint32(5)),
		"tensor a has 0 dimensions, not 1 to 4":                         one(1, 0, "a", uint32(0), uint64(0), uint64(0)),
		"tensor a is absurdly large":                                    one(1, 0, "a", uint32(3), huge, huge, huge, f32, uint64(0)),
		"tensor a has an empty dimension: [0]":                          one(1, 0, "a", uint32(1), uint64(0), f32, uint64(0)),
		"tensor a: Q8_1 is not supported (supported: f32 ":              one(1, 0, "a", uint32(1), uint64(1), uint32(9), uint64(0)),
		"tensor a has rows of 31 values, not a multiple of the 32 of":   one(1, 0, "a", uint32(1), uint64(31), uint32(8), uint64(0)),
		"tensor a is listed twice":                                      one(2, 0, "a", uint32(1), uint64(1), f32, uint64(0), "a", uint32(1), uint64(1), f32, uint64(32)),
		"tensor a begins at offset 4 of the data, not a multiple of 32": one(1, 0, "a", uint32(1), uint64(1), f32, uint64(4)),
		"tensor a begins at the absurd offset":                          one(1, 0, "a", uint32(1), uint64(1), f32, ^uint64(31)),
		"tensor a ends 4096 bytes past the file":                        one(1, 0, "a", uint32(1), uint64(1), f32, uint64(4096+224))[:64+256-28],
		"tensors a and b overlap at offset 96":                          one(2, 0, "a", uint32(1), uint64(1), f32, uint64(0), "b", uint32(1), uint64(2), f32, uint64(0)),
	} {
		_, err := Parse(raw, "m")
		if err == nil || !strings.HasPrefix(err.Error(), "open m: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	os.WriteFile(empty, nil, 0o644)
	for path, want := range map[string]string{
		dir:                      "open " + dir + ": not a regular file",
		empty:                    "open " + empty + ": not a GGUF file: it is empty",
		filepath.Join(dir, "no"): "open " + filepath.Join(dir, "no") + ": no such file or directory",
	} {
		if f, err := Open(path); err == nil {
			f.Close()
			t.Error("opened", path)
		} else if !errors.Is(err, os.ErrNotExist) && err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Metadata outlives the mapping.
func TestMetaAfterClose(t *testing.T) {
	path, _ := writeSmall(t, Arch)
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Mapping())%64 != 0 || uintptr(unsafe.Pointer(&f.Mapping()[0]))%4096 != 0 {
		t.Error("the mapping is not aligned")
	}
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if v, _, err := f.KV().Strings("a.strings"); err != nil || !reflect.DeepEqual(v, []string{"ab", "", "c\xff"}) {
		t.Error(v, err)
	}
}

func TestAligned(t *testing.T) {
	for _, n := range []int{0, 1, 100, PageSize, 3*PageSize + 1} {
		in := bytes.Repeat([]byte{byte(n), 1}, n)[:n]
		out := Aligned(in)
		if !bytes.Equal(in, out) || cap(out) != n {
			t.Errorf("%d bytes: another copy", n)
		}
		if n > 0 && uintptr(unsafe.Pointer(&out[0]))%PageSize != 0 {
			t.Errorf("%d bytes: not aligned", n)
		}
	}
}

// A vocabulary of Llama-3's size must not make opening slow.
func BenchmarkParseVocabulary(b *testing.B) {
	var s spec
	s.WriteString("GGUF")
	s.put(uint32(3), uint64(0), uint64(1), "t", uint32(9), uint32(8), uint64(128256))
	for i := range 128256 {
		s.put(fmt.Sprint("token", i))
	}
	b.ReportAllocs()
	for b.Loop() {
		f, err := Parse(s.Bytes(), "v")
		if err != nil {
			b.Fatal(err)
		}
		if v, _, _ := f.KV().Strings("t"); v[128255] != "token128255" {
			b.Fatal(v[128255])
		}
	}
}

// What only a file of nonsense holds is said to be too much, before anything is
// made of it.
func TestCounts(t *testing.T) {
	room := make([]byte, 40<<20)
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"keys":    {one(0, maxKeys+1, room), "65537 metadata keys; at most 65536 are taken"},
		"tensors": {one(maxTensors+1, 0, room), "65537 tensors; at most 65536 are taken"},
		"strings": {one(0, 1, "tokenizer.ggml.tokens", uint32(kindArray), uint32(kindString), uint64(maxItems+1), room), "2097153 strings of key tokenizer.ggml.tokens; at most 2097152 are taken"},
		"numbers": {one(0, 1, "k", uint32(kindArray), uint32(kindInt8), uint64(maxItems+1), room), "2097153 elements of key k; at most 2097152 are taken"},
	} {
		var err error
		grown := alloc.Bytes(func() { _, err = Parse(c.data, "m") })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		if grown > 1<<20 {
			t.Errorf("%s: %d bytes of memory for a refusal", name, grown)
		}
	}
}
