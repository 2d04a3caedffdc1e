package convert

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"testing"
)

// gguf is a file as a reader sees it that knows nothing but the published
// format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
type gguf struct {
	version uint32 // that foreign writes; 0 is 2
	keys    map[string]any
	tensors map[string]ggufTensor
}

type ggufTensor struct {
	kind uint32
	dims []uint64
	data []byte // from the tensor's first byte to the end of the file
}

// ggufReader takes little-endian values off a slice.
type ggufReader struct {
	b  []byte
	at int
}

func take[T uint32 | uint64](r *ggufReader) T {
	var v T
	n, err := binary.Decode(r.b[r.at:], binary.LittleEndian, &v)
	if err != nil {
		panic(err)
	}
	r.at += n
	return v
}

func (r *ggufReader) text() string {
	n := int(take[uint64](r))
	r.at += n
	return string(r.b[r.at-n : r.at])
}

func (r *ggufReader) value(kind uint32) any {
	word := func(n int) []byte { r.at += n; return r.b[r.at-n : r.at] }
	switch kind {
	case 4:
		return take[uint32](r)
	case 5:
		return int32(take[uint32](r))
	case 6:
		return math.Float32frombits(take[uint32](r))
	case 7:
		return word(1)[0] != 0
	case 8:
		return r.text()
	case 9:
		kind, n := take[uint32](r), take[uint64](r)
		var list []any
		for range n {
			list = append(list, r.value(kind))
		}
		return list
	}
	panic(fmt.Sprintf("a value of type %d", kind))
}

// read reads a file; anything out of order fails the test.
func read(t *testing.T, path string) *gguf {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s does not read as GGUF: %v", path, p)
		}
	}()
	if string(b[:4]) != "GGUF" {
		t.Fatalf("magic %q", b[:4])
	}
	r := &ggufReader{b: b, at: 4}
	if v := take[uint32](r); v != 3 {
		t.Fatalf("version %d", v)
	}
	tensors, keys := take[uint64](r), take[uint64](r)
	g := &gguf{version: 3, keys: map[string]any{}, tensors: map[string]ggufTensor{}}
	for range keys {
		name := r.text()
		g.keys[name] = r.value(take[uint32](r))
	}
	offsets := map[string]uint64{}
	for range tensors {
		name := r.text()
		x := ggufTensor{dims: make([]uint64, take[uint32](r))}
		for i := range x.dims {
			x.dims[i] = take[uint64](r)
		}
		x.kind = take[uint32](r)
		offsets[name] = take[uint64](r)
		g.tensors[name] = x
	}
	align, ok := g.keys["general.alignment"].(uint32)
	if !ok {
		align = 32
	}
	data := (r.at + int(align) - 1) / int(align) * int(align)
	for name, off := range offsets {
		if off%uint64(align) != 0 {
			t.Errorf("tensor %s lies at %d, not on a multiple of %d", name, off, align)
		}
		x := g.tensors[name]
		x.data = b[data+int(off):]
		g.tensors[name] = x
	}
	return g
}

// floats are a tensor's values, which must be F32.
func (g *gguf) floats(t *testing.T, name string) []float32 {
	t.Helper()
	x := g.tensors[name]
	if x.kind != 0 {
		t.Fatalf("tensor %s is of type %d, not F32", name, x.kind)
	}
	n := uint64(1)
	for _, d := range x.dims {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(x.data[4*i:]))
	}
	return v
}

// bf16s are the values of a checkpoint's tensor.
func bf16s(t *testing.T, m map[string]*stored, name string) []float32 {
	t.Helper()
	s := m[name]
	if s == nil || s.DType != "BF16" {
		t.Fatalf("%s is not there in BF16", name)
	}
	v := make([]float32, len(s.data)/2)
	for i := range v {
		v[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(s.data[2*i:])) << 16)
	}
	return v
}

// TestLlamaAsGGML checks a Llama checkpoint field by field against what ggml
// documents for the architecture llama.
func TestLlamaAsGGML(t *testing.T) {
	const dir = "../testdata/fixtures/llama"
	out, _ := run(t, dir, "f32")
	g, in := read(t, out), load(t, dir+"/model.safetensors")
	for key, want := range map[string]any{
		"general.architecture": "llama", "general.type": "model", "general.name": "llama",
		"general.file_type": uint32(0), "general.quantization_version": uint32(2), "general.alignment": uint32(32),
		"llama.block_count": uint32(4), "llama.context_length": uint32(8192), "llama.embedding_length": uint32(64),
		"llama.feed_forward_length": uint32(128), "llama.attention.head_count": uint32(4), "llama.attention.head_count_kv": uint32(2),
		"llama.attention.key_length": uint32(16), "llama.attention.value_length": uint32(16),
		"llama.attention.layer_norm_rms_epsilon": float32(1e-5), "llama.rope.freq_base": float32(500000),
		"llama.rope.dimension_count": uint32(16), "llama.vocab_size": uint32(512),
		"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "llama-bpe",
		"tokenizer.ggml.bos_token_id": uint32(480), "tokenizer.ggml.add_bos_token": true,
	} {
		if got := g.keys[key]; got != want {
			t.Errorf("%s is %v (%T), want %v", key, got, got, want)
		}
	}
	checkTokenizer(t, g, dir)

	want := map[string]ggufTensor{ // type 0 is F32; dims begin with the row's length
		"token_embd.weight": {0, []uint64{64, 512}, nil}, "output_norm.weight": {0, []uint64{64}, nil},
		"rope_freqs.weight": {0, []uint64{8}, nil}, // tied: no output.weight
	}
	for i := range 4 {
		for name, dims := range map[string][]uint64{
			"attn_norm": {64}, "attn_q": {64, 64}, "attn_k": {64, 32}, "attn_v": {64, 32}, "attn_output": {64, 64},
			"ffn_norm": {64}, "ffn_gate": {64, 128}, "ffn_up": {64, 128}, "ffn_down": {128, 64},
		} {
			want[fmt.Sprintf("blk.%d.%s.weight", i, name)] = ggufTensor{0, dims, nil}
		}
	}
	for name, w := range want {
		if got, ok := g.tensors[name]; !ok || got.kind != w.kind || !slices.Equal(got.dims, w.dims) {
			t.Errorf("tensor %s is %d %v, want %v", name, got.kind, got.dims, w)
		}
	}
	if len(g.tensors) != len(want) {
		t.Errorf("%d tensors, want %d", len(g.tensors), len(want))
	}

	for to, from := range map[string]string{
		"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight",
		"blk.1.attn_norm.weight": "model.layers.1.input_layernorm.weight", "blk.1.attn_v.weight": "model.layers.1.self_attn.v_proj.weight",
		"blk.1.attn_output.weight": "model.layers.1.self_attn.o_proj.weight", "blk.1.ffn_norm.weight": "model.layers.1.post_attention_layernorm.weight",
		"blk.1.ffn_gate.weight": "model.layers.1.mlp.gate_proj.weight", "blk.1.ffn_up.weight": "model.layers.1.mlp.up_proj.weight",
		"blk.1.ffn_down.weight": "model.layers.1.mlp.down_proj.weight",
	} {
		if !slices.Equal(g.floats(t, to), bf16s(t, in, from)) {
			t.Errorf("%s does not hold %s", to, from)
		}
	}
	checkRotated(t, g, in)
}

// checkRotated compares what rotation needs with llama.cpp's converter. It permutes
// q and k, weights.reshape(heads, 2, dim/2, columns).swapaxes(1, 2), so that rotated
// pairs stand side by side.
func checkRotated(t *testing.T, g *gguf, in map[string]*stored) {
	for to, from := range map[string]string{"blk.2.attn_q.weight": "model.layers.2.self_attn.q_proj.weight", "blk.2.attn_k.weight": "model.layers.2.self_attn.k_proj.weight"} {
		w := bf16s(t, in, from)
		var permuted []float32
		const dim, cols = 16, 64
		for head := range len(w) / cols / dim {
			for pair := range dim / 2 {
				for half := range 2 {
					row := head*dim + half*dim/2 + pair
					permuted = append(permuted, w[row*cols:(row+1)*cols]...)
				}
			}
		}
		if !slices.Equal(g.floats(t, to), permuted) {
			t.Errorf("%s is not %s permuted", to, from)
		}
	}
	// The factors that llama.cpp's converter writes for this rope_scaling.
	for i, got := range g.floats(t, "rope_freqs.weight") {
		wave := 2 * math.Pi * math.Pow(500000, float64(i)/8)
		want := 1.0
		switch smooth := (64/wave - 1) / (4 - 1); {
		case wave > 64:
			want = 8
		case wave >= 16:
			want = 1 / ((1-smooth)/8 + smooth)
		}
		if math.Abs(float64(got)-want) > 1e-6*want {
			t.Errorf("rope_freqs[%d] is %g, want %g", i, got, want)
		}
	}
}

// checkTokenizer compares the vocabulary with tokenizer.json's.
func checkTokenizer(t *testing.T, g *gguf, dir string) {
	t.Helper()
	var spec struct {
		Model struct {
			Vocab  map[string]int
			Merges []any
		}
		Added []struct {
			ID      int
			Content string
			Special bool
		} `json:"added_tokens"`
	}
	readJSON(t, dir+"/tokenizer.json", &spec)
	tokens, _ := g.keys["tokenizer.ggml.tokens"].([]any)
	types, _ := g.keys["tokenizer.ggml.token_type"].([]any)
	merges, _ := g.keys["tokenizer.ggml.merges"].([]any)
	if len(tokens) != 512 || len(types) != 512 || len(merges) != len(spec.Model.Merges) {
		t.Fatalf("%d tokens, %d types, %d merges", len(tokens), len(types), len(merges))
	}
	const normal, control, userDefined, unused = int32(1), int32(3), int32(4), int32(5)
	want := make([]int32, 512)
	for i := range want {
		want[i] = unused
	}
	for text, id := range spec.Model.Vocab {
		want[id] = normal
		if tokens[id] != text {
			t.Errorf("token %d is %q, want %q", id, tokens[id], text)
		}
	}
	for _, a := range spec.Added {
		want[a.ID] = userDefined
		if a.Special {
			want[a.ID] = control
		}
		if tokens[a.ID] != a.Content {
			t.Errorf("token %d is %q, want %q", a.ID, tokens[a.ID], a.Content)
		}
	}
	for id, w := range want {
		if types[id] != w {
			t.Errorf("token %d, %q, is of type %v, want %d", id, tokens[id], types[id], w)
		}
	}
	for i, m := range spec.Model.Merges {
		text, ok := m.(string)
		if pair, isPair := m.([]any); isPair {
			text, ok = fmt.Sprintf("%s %s", pair...), true
		}
		if !ok || merges[i] != text {
			t.Fatalf("merge %d is %q, want %q", i, merges[i], text)
		}
	}
}

// TestBlocksAsGGML checks the type numbers that tensors and the file get.
func TestBlocksAsGGML(t *testing.T) {
	for as, want := range map[string][2]uint32{"f32": {0, 0}, "f16": {1, 1}, "bf16": {30, 32}, "q8_0": {8, 7}, "q4_0": {2, 2},
		"q4_1": {3, 3}, "q5_0": {6, 8}, "q5_1": {7, 9}, "iq4_nl": {20, 25}, "mxfp4": {39, 38}} {
		out, _ := run(t, "../testdata/fixtures/llama", as)
		g := read(t, out)
		if kind := g.tensors["blk.0.ffn_up.weight"].kind; kind != want[0] || g.keys["general.file_type"] != want[1] {
			t.Errorf("%s: type %d, file type %v; want %v", as, kind, g.keys["general.file_type"], want)
		}
		if kind := g.tensors["blk.0.attn_norm.weight"].kind; kind != 0 {
			t.Errorf("%s: norms are of type %d", as, kind)
		}
	}
}
