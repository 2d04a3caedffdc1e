package convert

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/pyjson"
)

// TestFamilies puts the config of every family in the place of the fixture's:
// what mil does not run is refused by name, before any tensor is looked at.
func TestFamilies(t *testing.T) {
	dirs, err := os.ReadDir("../testdata/families")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join("../testdata/families", d.Name(), "expected.safetensors")); err == nil {
			continue // model's tests have their logits
		}
		refused++
		t.Run(d.Name(), func(t *testing.T) {
			dir := fixture(t, "llama")
			b, err := os.ReadFile(filepath.Join("../testdata/families", d.Name(), "config.json"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, filepath.Join(dir, "config.json"), b)
			var c struct {
				ModelType string `json:"model_type"`
			}
			if err := json.Unmarshal(pyjson.Clean(b), &c); err != nil {
				t.Fatal(err)
			}
			fails(t, dir, false, "config.json: unknown architecture", `"`+c.ModelType+`" (`, "known: llama, mistral")
		})
	}
	if refused != 2 {
		t.Errorf("only %d families", refused)
	}
}

// TestArithmeticKeys gives a config that converts one more key, or one of another value, at a time.
func TestArithmeticKeys(t *testing.T) {
	const hybrid, pure = "zephyr", "pure-mamba2"
	for _, c := range []struct {
		fixture, file string
		changes       map[string]any
		want          string // "": it converts without a word
	}{
		{"llama", "config.json", map[string]any{"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5, which mil does not compute (it takes 1)"},
		{"llama", "config.json", map[string]any{"partial_rotary_factor": 1.0, "logits_scaling": 1, "residual_multiplier": nil}, ""},
		{"llama", "config.json", map[string]any{"quantization_config": map[string]any{"quant_method": "gptq", "bits": 4}}, "the weights are quantized by gptq"},
		{"llama", "config.json", map[string]any{"logits_scaling": 8.0}, "logits_scaling is 8"},
		{"llama", "config.json", map[string]any{"embedding_multiplier": 12}, "embedding_multiplier is 12"},
		{"llama", "config.json", map[string]any{"attention_multiplier": 0.25}, ""}, // 1/sqrt(16)
		{"llama", "config.json", map[string]any{"attention_multiplier": 0.0625}, "attention_multiplier is 0.0625"},
		{"llama", "config.json", map[string]any{"query_pre_attn_scalar": 256}, "query_pre_attn_scalar is 256"},
		{"llama", "config.json", map[string]any{"final_logit_softcapping": 30.0}, "final_logit_softcapping is 30"},
		{"llama", "config.json", map[string]any{"qk_norm": true}, "qk_norm is true"},
		{"llama", "config.json", map[string]any{"num_local_experts": 8}, "num_local_experts is 8"},
		{"llama", "config.json", map[string]any{"layer_types": []string{"full_attention", "sliding_attention"}}, "layer_types is"},
		{"llama", "config.json", map[string]any{"rope_scaling": map[string]any{"rope_type": "yarn", "factor": 4}}, `rope_scaling of type "yarn"`},
		{"llama", "config.json", map[string]any{"rope_scaling": map[string]any{"type": "dynamic", "factor": 4}}, `rope_scaling of type "dynamic"`},
		{"llama", "config.json", map[string]any{"rope_scaling": map[string]any{"type": "default", "mrope_section": []int{1, 2}}}, "mil does not know the key mrope_section"},
		{"llama", "config.json", map[string]any{"rope_scaling": map[string]any{"factor": 2}}, "rope_scaling has a factor and no rope_type"},
		{"llama", "config.json", map[string]any{"rope_scaling": nil, "rope_parameters": map[string]any{"rope_type": "default", "rope_theta": 1e4}}, "rope_theta is 500000, and rope_parameters says 10000"},
		{"llama", "config.json", map[string]any{"rope_scaling": nil, "rope_theta": nil, "rope_parameters": map[string]any{"rope_type": "default", "partial_rotary_factor": 0.25}}, "partial_rotary_factor is 0.25"},
		{"llama", "config.json", map[string]any{"attn_output_multiplier_new": 2}, "mil does not know the key attn_output_multiplier_new (2), which may change the arithmetic"},
		{"llama", "config.json", map[string]any{"attn_output_multiplier_new": 0, "some_window": nil}, ""},
		{"llama", "config.json", map[string]any{"favourite_colour": "blue"}, "warning: config.json: mil does not know and does not use: favourite_colour"},
		{"llama", "config.json", map[string]any{"model_type": "mistral"}, ""},                         // a window of 4096
		{"llama", "config.json", map[string]any{"model_type": "mistral", "sliding_window": 8192}, ""}, // the declared context
		{"llama", "config.json", map[string]any{"text_config": map[string]any{"a": 1}}, "text_config"},
		{"llama", "config.json", map[string]any{"model_type": nil, "architectures": []string{"OPTForCausalLM"}}, `unknown architecture "OPTForCausalLM" (OPT`},
		{hybrid, "config.json", map[string]any{"sliding_window": 4}, ""}, // which the hybrids do not read
		{hybrid, "mamba_config.json", map[string]any{"rms_norm_eps": 1e-3}, "rms_norm_eps is 0.001, and config.json says 1e-05"},
		{hybrid, "mamba_config.json", map[string]any{"hidden_act": "gelu"}, "mamba_config.json: hidden_act is"},
		{hybrid, "mamba_config.json", map[string]any{"ssm_cfg": map[string]any{"expand": 1, "bias": true}}, "ssm_cfg: bias is true"},
		{pure, "config.json", map[string]any{"rms_norm": false}, "rms_norm is false"},
		{pure, "config.json", map[string]any{"attn_layer_idx": []int{1}}, "attn_layer_idx is"},
		{pure, "config.json", map[string]any{"d_intermediate": 64}, "d_intermediate is 64"},
	} {
		t.Run(strings.Join(slices.Sorted(maps.Keys(c.changes)), ","), func(t *testing.T) {
			dir := fixture(t, c.fixture)
			edit(t, filepath.Join(dir, c.file), c.changes)
			warning, warns := strings.CutPrefix(c.want, "warning: ")
			if c.want != "" && !warns {
				fails(t, dir, false, c.file, c.want)
				return
			}
			_, sum := run(t, dir, "f32")
			if warns && (len(sum.Warnings) != 1 || !strings.Contains(sum.Warnings[0], warning)) || !warns && len(sum.Warnings) > 0 {
				t.Errorf("warnings %q, want %q", sum.Warnings, c.want)
			}
		})
	}
}

// TestTimeStepLimit has the range dt is clamped to, as Python and transformers 5 write it.
func TestTimeStepLimit(t *testing.T) {
	for text, want := range map[string]string{
		`[0.0, Infinity]`: "", `[0.0, {"__float__": "Infinity"}]`: "", `[0.0, 0.1]`: "time_step_limit is [0.0, 0.1]",
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS("../testdata/families/mamba2-hf")); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		limit := regexp.MustCompile(`"time_step_limit": \[[^\]]*\]`)
		if !limit.Match(b) {
			t.Fatal("no time_step_limit")
		}
		put(t, filepath.Join(dir, "config.json"), limit.ReplaceAll(b, []byte(`"time_step_limit": `+text)))
		if want != "" {
			fails(t, dir, false, want)
			continue
		}
		run(t, dir, "f32")
	}
}

// TestPythonJSON converts beside configs with the numbers that JSON lacks, and
// refuses them where a number is needed.
func TestPythonJSON(t *testing.T) {
	dir := fixture(t, "llama")
	for _, file := range []string{"config.json", "generation_config.json", "tokenizer_config.json"} {
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err != nil {
			b = []byte(`{"pad_token_id": 481}`)
		}
		put(t, path, append([]byte(`{"time_step_limit": [0.0, Infinity], "max_length": NaN, "min_length": -Infinity,`), strings.TrimLeft(string(b), "{ \n")...))
	}
	_, sum := run(t, dir, "f32")
	if len(sum.Warnings) != 1 || !strings.Contains(sum.Warnings[0], "time_step_limit") {
		t.Errorf("warnings %q", sum.Warnings)
	}
	put(t, filepath.Join(dir, "generation_config.json"), []byte(`{"temperature": Infinity}`))
	fails(t, dir, false, "generation_config.json: JSON key temperature holds a number Infinity, wanted a number")
}

// TestPrefixes converts state dicts whose names training frameworks changed.
func TestPrefixes(t *testing.T) {
	plain, _ := run(t, "../testdata/fixtures/mamba2-half", "f32")
	want := read(t, plain)
	for name, change := range map[string]func(string) string{
		"module.":           func(s string) string { return "module." + s },
		"module._orig_mod.": func(s string) string { return "module._orig_mod." + s },
		"layers compiled":   func(s string) string { return strings.Replace(s, "layers.1.", "layers.1._orig_mod.", 1) },
		"FSDP": func(s string) string {
			return "_fsdp_wrapped_module." + strings.Replace(s, "mlp.", "mlp._fsdp_wrapped_module.", 1)
		},
		"model.model.":      func(s string) string { return "model." + s },
		"base_model.model.": func(s string) string { return "base_model.model." + s },
	} {
		t.Run(name, func(t *testing.T) {
			dir := renamed(t, "mamba2-half", change)
			out, _ := run(t, dir, "f32")
			got := read(t, out)
			for name := range want.tensors {
				if !slices.Equal(got.floats(t, name), want.floats(t, name)) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
	fails(t, renamed(t, "mamba2-half", func(s string) string {
		if strings.HasPrefix(s, "lm_head") {
			return s
		}
		return "student." + s
	}), false, "tensor lm_head.weight does not begin with student.", "strip student. from the names")
	fails(t, renamed(t, "llama", func(s string) string {
		if s == "model.norm.weight" {
			return "module." + s
		}
		return s
	}, "model.norm.weight"), false, "tensors model.norm.weight and module.model.norm.weight are both model.norm.weight")

	// A model saved without its head has no model. either.
	dir := renamed(t, "llama", func(s string) string { return strings.TrimPrefix(s, "model.") })
	out, _ := run(t, dir, "f32")
	if len(read(t, out).tensors) == 0 {
		t.Error("no tensors")
	}
}

// renamed is a fixture in one file with other names; those of keep are there under
// their old name too.
func renamed(t *testing.T, name string, change func(string) string, keep ...string) string {
	t.Helper()
	dir := fixture(t, name)
	all := map[string]*stored{}
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil || len(files) == 0 {
		t.Fatal("no weights", err)
	}
	for _, f := range files {
		if filepath.Base(f) == "expected.safetensors" {
			continue
		}
		maps.Copy(all, load(t, f))
		if filepath.Base(f) != "model.safetensors" {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	one := filepath.Join(dir, "model.safetensors")
	if _, err := os.Stat(one); err != nil {
		put(t, one, []byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	}
	retouch(t, one, func(m map[string]*stored) {
		clear(m)
		for n, s := range all {
			m[change(n)] = s
			if slices.Contains(keep, n) {
				m[n] = clone(s)
			}
		}
	})
	return dir
}

// TestPlainRope leaves the rotation of models with merged names unstretched,
// unless asked.
func TestPlainRope(t *testing.T) {
	dir := fixture(t, "mamba1-merged")
	edit(t, filepath.Join(dir, "config.json"), map[string]any{"rope_scaling": map[string]any{"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}})
	out, sum := run(t, dir, "f32")
	if _, ok := read(t, out).tensors["rope_freqs.weight"]; ok || len(sum.Warnings) != 1 || !strings.Contains(sum.Warnings[0], "rope_scaling") {
		t.Errorf("factors %v, warnings %q", ok, sum.Warnings)
	}
	again := filepath.Join(t.TempDir(), "x.bin")
	sum, err := Run(t.Context(), dir, Options{Output: again, Type: mix(t, "f32"), RopeScaling: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := read(t, again).tensors["rope_freqs.weight"]; !ok || len(sum.Warnings) != 0 {
		t.Errorf("asked for: factors %v, warnings %q", ok, sum.Warnings)
	}
}

// TestForeignKeys has GGUF files whose keys change the arithmetic.
func TestForeignKeys(t *testing.T) {
	ours, _ := run(t, "../testdata/fixtures/llama", "f32")
	path := filepath.Join(t.TempDir(), "llama.gguf")
	for _, c := range []struct {
		key, want string
		value     any
	}{
		{"llama.expert_count", "key llama.expert_count is", uint32(8)},
		{"llama.expert_count", "", uint32(0)},
		{"llama.rope.scaling.type", "yarn", "yarn"},
		{"llama.rope.scaling.attn_factor", "rope.scaling.attn_factor", float32(0.5)},
		{"llama.attention.sliding_window", "", uint32(16)},
		{"llama.attention.logit_softcapping", "logit_softcapping", float32(30)},
		{"llama.attention.scale", "attention.scale", float32(0.5)},
		{"llama.attention.scale", "", float32(0.25)},
		{"llama.logit_scale", "logit_scale", float32(8)},
		{"llama.logit_scale", "", float32(1)},
		{"llama.attention.causal", "attention.causal", false},
		{"llama.attention.value_length", "value_length", uint32(8)},
		{"llama.surprising_thing", "surprising_thing", "x"},
	} {
		g := read(t, ours)
		g.keys[c.key] = c.value
		keys := slices.DeleteFunc(slices.Sorted(maps.Keys(g.keys)), func(k string) bool { return strings.HasPrefix(k, "mil.") || k == "general.alignment" })
		g.foreign(t, path, keys...)
		if c.want != "" {
			fails(t, path, false, c.want)
			continue
		}
		out, _ := run(t, path, "f32")
		if got := read(t, out).keys[c.key]; got != c.value {
			t.Errorf("%s became %v", c.key, got)
		}
	}
}

// TestCheckConfig says by the configs alone what a conversion would.
func TestCheckConfig(t *testing.T) {
	for _, name := range []string{"llama", "zephyr", "mamba2-merged", "pure-mamba1", "pure-mamba2"} {
		if err := CheckConfig("../testdata/fixtures/" + name); err != nil {
			t.Error(err)
		}
	}
	names, err := filepath.Glob("../testdata/families/*/expected.safetensors")
	if err != nil || len(names) < 14 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if err := CheckConfig(filepath.Dir(name)); err != nil {
			t.Error(err)
		}
	}
	for config, want := range map[string]string{
		// As published for state-spaces/mamba-130m-hf, with the authors' keys in it.
		`{"architectures":["MambaForCausalLM"],"conv_kernel":4,"d_inner":1536,"d_model":768,"expand":2,"fused_add_norm":true,"hidden_act":"silu","hidden_size":768,
		"intermediate_size":1536,"layer_norm_epsilon":1e-05,"model_type":"mamba","n_layer":24,"num_hidden_layers":24,"pad_vocab_size_multiple":8,"residual_in_fp32":true,
		"rms_norm":true,"ssm_cfg":{},"state_size":16,"time_step_rank":48,"use_bias":false,"use_conv_bias":true,"vocab_size":50280}`: "",
		`{"model_type":"mamba2","hidden_size":4096,"num_hidden_layers":64,"n_groups":8,"head_dim":64,"expand":2}`:                                                   "",
		`{"model_type":"mamba2","hidden_size":64,"num_hidden_layers":2,"n_groups":1,"layer_norm_epsilon":1e-6}`:                                                     "",
		`{"d_model":64,"n_layer":2,"ssm_cfg":{"layer":"Mamba2","headdim":48}}`:                                                                                      "heads of 48",
		`{"model_type":"llama","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":9}`:                                               "no multiple of 3 heads",
		`{"model_type":"llama","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":9,"residual_dropout":0.1,"is_llama_config":true}`: "",
		`{"model_type":"mambainllama_mamba"}`: `mamba_config.json is missing`,
		`{}`:                                  "are not a model",
		`[]`:                                  "config.json",
	} {
		dir := t.TempDir()
		put(t, filepath.Join(dir, "config.json"), []byte(config))
		err := CheckConfig(dir)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.60s: %v, want %q", config, err, want)
		}
	}
}
