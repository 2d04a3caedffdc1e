package convert

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gate "github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/source"
)

// TestBadInput has one thing wrong with a checkpoint at a time. Each error
// names the file or the tensor, comes before any progress, and leaves nothing.
func TestBadInput(t *testing.T) {
	weights := func(change func(map[string]*stored)) func(*testing.T, string) {
		return func(t *testing.T, dir string) { retouch(t, filepath.Join(dir, "model.safetensors"), change) }
	}
	in := func(file string, changes map[string]any) func(*testing.T, string) {
		return func(t *testing.T, dir string) { edit(t, filepath.Join(dir, file), changes) }
	}
	content := func(file, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, filepath.Join(dir, file), []byte(text)) }
	}
	without := func(file string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := func(file string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, file), b[:len(b)-100])
		}
	}
	const (
		up  = "model.layers.1.mlp.up_proj.weight"
		out = "model.layers.1.mamba.out_proj.weight"
	)
	for name, c := range map[string]struct {
		fixture string
		spoil   func(*testing.T, string)
		want    []string
	}{
		"no config":          {"llama", without("config.json"), []string{"config.json", "no such file"}},
		"config not JSON":    {"llama", content("config.json", "{\n\"a\":"), []string{"config.json", "not valid JSON"}},
		"config of a list":   {"llama", in("config.json", map[string]any{"hidden_size": []int{1}}), []string{"config.json", "hidden_size"}},
		"unknown model":      {"llama", in("config.json", map[string]any{"model_type": "qwen9"}), []string{"config.json: unknown architecture \"qwen9\"", "known: llama, mistral, qwen2, qwen3, hybrids", "mamba2"}},
		"unknown tensors":    {"llama", weights(func(m map[string]*stored) { rename(m, "model.embed_tokens.weight", "transformer.wte.weight") }), []string{"unknown architecture", "known: llama"}},
		"no layers":          {"llama", in("config.json", map[string]any{"num_hidden_layers": nil}), []string{"config.json", "num_hidden_layers 0"}},
		"absurd size":        {"llama", in("config.json", map[string]any{"hidden_size": 1 << 40}), []string{"config.json", "hidden_size 1099511627776"}},
		"heads":              {"llama", in("config.json", map[string]any{"num_key_value_heads": 3}), []string{"config.json: 4 heads do not share 3"}},
		"activation":         {"llama", in("config.json", map[string]any{"hidden_act": "gelu"}), []string{"config.json: hidden_act is \"gelu\", which mil does not compute (it takes silu or swish)"}},
		"biases":             {"llama", in("config.json", map[string]any{"attention_bias": true}), []string{"q_proj.bias is missing"}},
		"rope scaling":       {"llama", in("config.json", map[string]any{"rope_scaling": map[string]any{"rope_type": "yarn"}}), []string{"config.json: rope_scaling of type \"yarn\""}},
		"rope factors":       {"llama", in("config.json", map[string]any{"rope_scaling": map[string]any{"rope_type": "llama3"}}), []string{"config.json: rope_scaling"}},
		"rope base":          {"llama", in("config.json", map[string]any{"rope_theta": -1}), []string{"config.json: rope_theta is -1"}},
		"eos past the rows":  {"llama", in("config.json", map[string]any{"eos_token_id": 512}), []string{"config.json: eos_token_id 512 is not among the 512"}},
		"eos of text":        {"llama", in("config.json", map[string]any{"eos_token_id": "x"}), []string{"config.json: eos_token_id"}},
		"generation top-p":   {"llama", content("generation_config.json", `{"top_p":1.5}`), []string{"generation_config.json", "top-p 1.5"}},
		"generation config":  {"llama", content("generation_config.json", `{"top_k":"many"}`), []string{"generation_config.json", "top_k"}},
		"other vocabulary":   {"llama", in("config.json", map[string]any{"vocab_size": 500}), []string{"model.safetensors: tensor model.embed_tokens.weight has shape [512 64], the config says [500 64]"}},
		"no tokenizer":       {"llama", without("tokenizer.json"), []string{"no tokenizer.json here"}},
		"tokenizer not JSON": {"llama", content("tokenizer.json", "{"), []string{"tokenizer.json"}},
		"no weights":         {"llama", without("model.safetensors"), []string{"no weights here"}},
		"missing tensor":     {"llama", weights(func(m map[string]*stored) { delete(m, up) }), []string{"tensor " + up + " is missing"}},
		"extra tensor":       {"llama", weights(func(m map[string]*stored) { m["model.layers.9.x"] = &stored{DType: "F32", Shape: []int{0}} }), []string{"model.safetensors: tensor model.layers.9.x is not part of the model"}},
		"extra bias":         {"llama", weights(func(m map[string]*stored) { m["model.layers.0.self_attn.q_proj.bias"] = clone(m["model.norm.weight"]) }), []string{"q_proj.bias is not part of the model"}},
		"wrong shape":        {"llama", weights(func(m map[string]*stored) { m[up].Shape = []int{64, 128} }), []string{"model.safetensors: tensor " + up + " has shape [64 128], the config says [128 64]"}},
		"flat":               {"llama", weights(func(m map[string]*stored) { m[up].Shape = []int{64 * 128} }), []string{"tensor " + up + " has shape [8192]"}},
		"scalar embedding": {"llama", weights(func(m map[string]*stored) {
			m["model.embed_tokens.weight"] = &stored{DType: "F32", Shape: []int{}, data: make([]byte, 4)}
		}), []string{"tensor model.embed_tokens.weight has shape []"}},
		"integers":          {"llama", weights(func(m map[string]*stored) { m[up].DType = "I16" }), []string{"tensor " + up + " has dtype I16 (known: F32, F16, BF16)"}},
		"unknown dtype":     {"llama", weights(func(m map[string]*stored) { m[up].DType = "Q4" }), []string{"model.safetensors", "tensor " + up + ": unknown dtype Q4"}},
		"truncated":         {"llama", cut("model.safetensors"), []string{"model.safetensors: tensor", "past the file"}},
		"absurd header":     {"llama", content("model.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}"), []string{"model.safetensors: not a safetensors file: a header of"}},
		"truncated shard":   {"mamba2-half", cut("model-00002-of-00002.safetensors"), []string{"model-00002-of-00002.safetensors: tensor", "past the file"}},
		"absent shard":      {"mamba2-half", without("model-00002-of-00002.safetensors"), []string{"model.safetensors.index.json: it names model-00002-of-00002.safetensors, which is not here"}},
		"index elsewhere":   {"mamba2-half", content("model.safetensors.index.json", `{"weight_map":{"a":"../../../etc/passwd"}}`), []string{"model.safetensors.index.json", "not a plain file name"}},
		"truncated pickle":  {"mamba2-noattn", cut("pytorch_model-00001-of-00002.bin"), []string{"pytorch_model-00001-of-00002.bin: not a whole zip archive"}},
		"legacy pickle":     {"pure-mamba1", content("pytorch_model.bin", "\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), []string{"pytorch_model.bin: an old PyTorch format"}},
		"no mamba config":   {"zephyr", without("mamba_config.json"), []string{"mamba_config.json is missing"}},
		"mamba layers":      {"zephyr", in("mamba_config.json", map[string]any{"n_layer": 5}), []string{"mamba_config.json: 5 layers"}},
		"attention layer":   {"zephyr", in("mamba_config.json", map[string]any{"attn_layers": []int{0, 2}}), []string{"mamba_config.json: attn_layers and the tensors disagree about layer 2"}},
		"attention past":    {"zephyr", in("mamba_config.json", map[string]any{"attn_layers": []int{0, 3, 4}}), []string{"mamba_config.json: attn_layers names layer 4 of 4"}},
		"mamba sizes":       {"zephyr", in("mamba_config.json", map[string]any{"d_xb": 48}), []string{"mamba_config.json: d_inner 64 and d_xb 48 do not fit"}},
		"mamba rank":        {"zephyr", in("mamba_config.json", map[string]any{"ssm_cfg": map[string]any{"dt_rank": "x"}}), []string{"mamba_config.json: dt_rank"}},
		"mamba state":       {"mamba2-half", in("mamba_config.json", map[string]any{"ssm_cfg": map[string]any{"d_state": 32, "ngroups": 4}}), []string{"mamba_config.json: 4 groups of 32 states are not d_inner 64"}},
		"mamba convolution": {"zephyr", in("mamba_config.json", map[string]any{"ssm_cfg": map[string]any{"d_conv": 3}}), []string{"conv1d.weight has shape [64 1 4], the config says [64 1 3]"}},
		"missing in mixer":  {"zephyr", weights(func(m map[string]*stored) { delete(m, out) }), []string{"tensor " + out + " is missing"}},
		"pure sizes":        {"pure-mamba1", in("config.json", map[string]any{"d_model": -1}), []string{"config.json: d_model -1"}},
		"pure vocabulary":   {"pure-mamba1", in("config.json", map[string]any{"vocab_size": 600}), []string{"backbone.embedding.weight has shape [512 64], the config says [600 64]"}},
		"pure layers":       {"pure-mamba2", in("config.json", map[string]any{"n_layer": 4}), []string{"tensor backbone.layers.3.norm.weight is missing"}},
		"pure heads":        {"pure-mamba2", in("config.json", map[string]any{"ssm_cfg": map[string]any{"headdim": 48}}), []string{"config.json: 128 channels, heads of 48"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := fixture(t, c.fixture)
			c.spoil(t, dir)
			fails(t, dir, false, c.want...)
		})
	}
}

func clone(s *stored) *stored { c := *s; return &c }

func rename(m map[string]*stored, from, to string) { m[to] = m[from]; delete(m, from) }

// TestHarmlessTensors converts with tensors that need not be there.
func TestHarmlessTensors(t *testing.T) {
	dir := fixture(t, "llama")
	plain, _ := run(t, dir, "f32")
	retouch(t, filepath.Join(dir, "model.safetensors"), func(m map[string]*stored) {
		m["model.layers.0.self_attn.rotary_emb.inv_freq"] = &stored{DType: "F32", Shape: []int{1}, data: make([]byte, 4)}
		m["lm_head.weight"] = clone(m["model.embed_tokens.weight"]) // the config ties them
	})
	more, _ := run(t, dir, "f32")
	if a, b := read(t, plain), read(t, more); len(a.tensors) != len(b.tensors) {
		t.Errorf("%d tensors became %d", len(a.tensors), len(b.tensors))
	}
}

// TestBadWeights has values that are no numbers, in a tensor of its own, in a
// part of one, and in one that is stored as another function of it.
func TestBadWeights(t *testing.T) {
	for name, fixed := range map[string]string{
		"model.layers.2.mlp.up_proj.weight": "zephyr", "model.layers.1.mamba.B_proj.weight": "zephyr",
		"model.layers.1.mamba.A_log": "zephyr", "model.norm.weight": "zephyr", "model.layers.1.mha.in_proj.weight": "mamba1-merged",
	} {
		dir := fixture(t, fixed)
		retouch(t, filepath.Join(dir, "model.safetensors"), func(m map[string]*stored) {
			bf16 := func(i int, v float64) {
				binary.LittleEndian.PutUint16(m[name].data[2*i:], uint16(math.Float32bits(float32(v))>>16))
			}
			bf16(1, math.NaN())
			bf16(7, math.NaN())
			bf16(9, math.Inf(-1))
		})
		fails(t, dir, true, "model.safetensors: tensor "+name+" holds 3 NaN or infinite values")
	}
}

// TestBadGGUF has a GGUF file cut short, changed, or not one.
func TestBadGGUF(t *testing.T) {
	good, _ := run(t, "../testdata/fixtures/mamba1-half", "q8_0")
	b, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.gguf")
	for name, bad := range map[string][]byte{
		"empty": nil, "text": []byte("not a model"), "cut": b[:len(b)-1], "cut header": b[:1000],
		"changed": append([]byte(strings.Replace(string(b[:4096]), "llama", "LLAMA", 1)), b[4096:]...),
	} {
		t.Run(name, func(t *testing.T) {
			put(t, path, bad)
			fails(t, path, false)
		})
	}
	if _, err := os.Stat("nowhere"); err == nil {
		t.Fatal("there is something at nowhere")
	}
	fails(t, "nowhere", false, "no such file")
}

// FuzzConfig plans from configs that anybody may have written.
func FuzzConfig(f *testing.F) {
	names := []string{"zephyr", "mamba2-merged", "llama", "pure-mamba1", "pure-mamba2"}
	opened := map[string]*source.Checkpoint{}
	for _, name := range names {
		ck, err := source.Open("../testdata/fixtures/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Cleanup(func() { ck.Close() })
		opened[name] = ck
		c, _ := os.ReadFile("../testdata/fixtures/" + name + "/config.json")
		m, _ := os.ReadFile("../testdata/fixtures/" + name + "/mamba_config.json") // some have none
		f.Add(c, m)
	}
	f.Fuzz(func(t *testing.T, c, m []byte) {
		in := &input{config: &config{}, mamba: &mambaConfig{}, hasMamba: true}
		if json.Unmarshal(c, in.config) != nil || len(m) > 0 && json.Unmarshal(m, in.mamba) != nil {
			return
		}
		for _, from := range names {
			in.lookup = newLookup(opened[from])
			p, err := in.plan()
			if err != nil {
				if !gate.Plain(err.Error()) {
					t.Errorf("%q is not one line", err)
				}
				continue
			}
			if len(p.tensors) == 0 || p.config.Vocab < 1 {
				t.Errorf("%s: a plan without a model", from)
			}
		}
	})
}
