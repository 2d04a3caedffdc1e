package convert

import (
	"bytes"
	"encoding/binary"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
)

// foreign writes a file as another program would: other alignment, no
// checksums, only the keys named, tensors in order of name.
func (g *gguf) foreign(t *testing.T, path string, keys ...string) {
	t.Helper()
	var b bytes.Buffer
	put := func(v any) {
		if s, ok := v.(string); ok {
			v = append(binary.LittleEndian.AppendUint64(nil, uint64(len(s))), s...)
		}
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	names := slices.Sorted(maps.Keys(g.tensors))
	b.WriteString("GGUF")
	put(max(g.version, 2))
	put(uint64(len(names)))
	put(uint64(len(keys)))
	kind := func(v any) uint32 {
		switch v.(type) {
		case uint32:
			return 4
		case int32:
			return 5
		case float32:
			return 6
		case bool:
			return 7
		}
		return 8
	}
	for _, k := range keys {
		v, ok := g.keys[k]
		if !ok {
			t.Fatalf("no key %s", k)
		}
		put(k)
		list, isList := v.([]any)
		if !isList {
			put(kind(v))
			put(v)
			continue
		}
		put(uint32(9))
		put(kind(list[0]))
		put(uint64(len(list)))
		for _, v := range list {
			put(v)
		}
	}
	size := func(x ggufTensor) int {
		n := 4 // F32
		for _, d := range x.dims {
			n *= int(d)
		}
		return n
	}
	at := 0
	for _, name := range names {
		x := g.tensors[name]
		put(name)
		put(uint32(len(x.dims)))
		put(x.dims)
		put(x.kind)
		put(uint64(at))
		at += (size(x) + 31) / 32 * 32
	}
	pad := func() { b.Write(make([]byte, (32-b.Len()%32)%32)) }
	for _, name := range names {
		pad()
		x := g.tensors[name]
		b.Write(x.data[:size(x)])
	}
	pad()
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestForeignLlama converts a Llama file made elsewhere, which says no more
// than ggml's documentation demands.
func TestForeignLlama(t *testing.T) {
	ours, _ := run(t, "../testdata/fixtures/llama", "f32")
	g := read(t, ours)
	path := filepath.Join(t.TempDir(), "llama.gguf")
	keys := []string{"general.architecture", "llama.block_count", "llama.context_length", "llama.embedding_length", "llama.feed_forward_length",
		"llama.attention.head_count", "llama.attention.head_count_kv", "llama.attention.layer_norm_rms_epsilon", "llama.rope.freq_base",
		"tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.ggml.bos_token_id"}
	g.foreign(t, path, keys...)
	out, _ := run(t, path, "f32")
	again := read(t, out)
	for _, k := range keys {
		if !equal(again.keys[k], g.keys[k]) {
			t.Errorf("key %s is %v, was %v", k, again.keys[k], g.keys[k])
		}
	}
	if len(again.tensors) != len(g.tensors) {
		t.Errorf("%d tensors of %d", len(again.tensors), len(g.tensors))
	}
	for name := range g.tensors {
		if !slices.Equal(again.floats(t, name), g.floats(t, name)) {
			t.Errorf("%s changed", name)
		}
	}
	run(t, path, "q4_k_m")

	// And what is wrong with one is said.
	norm := g.tensors["output_norm.weight"].data
	good := slices.Clone(norm[:4])
	copy(norm, "\xff\xff\xff\xff")
	g.foreign(t, path, keys...)
	fails(t, path, true, "tensor output_norm.weight holds 1 NaN or infinite values")
	copy(norm, good)
	g.keys["general.architecture"] = "gpt2"
	g.foreign(t, path, keys...)
	fails(t, path, false, `unknown architecture "gpt2"`, "known: falcon-h1, granitehybrid, llama, mamba, mamba2, mambainllama, nemotron_h, qwen2, qwen3")
	g.keys["general.architecture"] = "llama"
	g.foreign(t, path, slices.DeleteFunc(keys, func(k string) bool { return strings.HasSuffix(k, "block_count") })...)
	fails(t, path, false, "llama.block_count is missing")
}

func equal(a, b any) bool {
	x, ok := a.([]any)
	y, _ := b.([]any)
	if !ok {
		return a == b
	}
	return slices.Equal(x, y)
}

// others are a file's keys without mil's own and the Writer's.
func (g *gguf) others() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(g.keys)), func(k string) bool {
		return strings.HasPrefix(k, "mil.") || k == "general.alignment"
	})
}

// A Bamba of ggml's converter rotates other channels than its checkpoint, and
// keys cannot tell it from a good one. So none made elsewhere is run.
func TestForeignBamba(t *testing.T) {
	ours, _ := run(t, familyOf(t, "bamba"), "f32")
	g := read(t, ours)
	path := filepath.Join(t.TempDir(), "bamba.gguf")
	g.foreign(t, path, g.others()...)
	fails(t, path, false, "pair the wrong channels", "rotates 8 of its 16", "convert the checkpoint")
	g.keys["granitehybrid.rope.dimension_count"] = uint32(16)
	g.foreign(t, path, g.others()...)
	run(t, path, "f32")
}

// A Nemotron-H of ggml's converter may have one epsilon under either name.
func TestForeignNemotron(t *testing.T) {
	ours, _ := run(t, familyOf(t, "nemotron-h"), "f32")
	const rms, norm = "nemotron_h.attention.layer_norm_rms_epsilon", "nemotron_h.attention.layer_norm_epsilon"
	for _, gone := range [][]string{{rms}, {norm}, {rms, norm}} {
		g := read(t, ours)
		for _, key := range gone {
			delete(g.keys, key)
		}
		path := filepath.Join(t.TempDir(), "nemotron.gguf")
		g.foreign(t, path, g.others()...)
		if len(gone) == 2 {
			fails(t, path, false, rms+" is missing")
			continue
		}
		f, err := format.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if m, err := model.Open(f); err != nil || m.Config.Eps != 1e-5 {
			t.Errorf("without %q: epsilon %g, %v", gone, m.Config.Eps, err)
		}
	}
}

// Falcon-H1's norm has ggml's name in every file that is written, also in copies of
// files that have the former one.
func TestFormerName(t *testing.T) {
	out, _ := run(t, "../testdata/written/falcon-h1.gguf", "q8_0")
	g := read(t, out)
	if _, ok := g.tensors["blk.0.ffn_norm"]; !ok {
		t.Error("blk.0.ffn_norm is missing")
	}
	if _, ok := g.tensors["blk.0.ffn_norm.weight"]; ok {
		t.Error("blk.0.ffn_norm.weight is there")
	}
}
