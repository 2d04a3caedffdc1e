package convert

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stretched is Llama 3's rope_scaling.
var stretched = map[string]any{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}

// Qwerky's files are the hybrids' under other names of the config, beside
// config.json or inside. Their rope_scaling stays, and that of M1's does not.
func TestQwerky(t *testing.T) {
	m1 := fixture(t, "mamba1-merged")
	edit(t, filepath.Join(m1, "config.json"), map[string]any{"rope_scaling": stretched})
	out, sum := run(t, m1, "f32")
	want := read(t, out)
	if _, ok := want.tensors["rope_freqs.weight"]; ok || len(sum.Warnings) != 1 {
		t.Errorf("M1 is stretched, or without a word: %q", sum.Warnings)
	}
	var ssm map[string]any
	readJSON(t, filepath.Join(m1, "mamba_config.json"), &ssm)
	ssm["ssm_config"] = ssm["ssm_cfg"]
	delete(ssm, "ssm_cfg")
	for place, config := range map[string]map[string]any{
		"beside":   {"model_type": "mambainllama_mamba"},
		"as a key": {"model_type": "mambainllama_mamba", "mamba_config": ssm},
		"inside": {"model_type": "mambainllama_mamba", "ssm_config": ssm["ssm_config"], "d_inner": ssm["d_inner"], "d_xb": ssm["d_xb"],
			"attn_layers": ssm["attn_layers"], "d_model": ssm["d_model"], "n_layer": ssm["n_layer"]},
	} {
		t.Run(place, func(t *testing.T) {
			dir := fixture(t, "mamba1-merged")
			edit(t, filepath.Join(dir, "config.json"), map[string]any{"rope_scaling": stretched})
			edit(t, filepath.Join(dir, "config.json"), config)
			if err := os.Remove(filepath.Join(dir, "mamba_config.json")); err != nil {
				t.Fatal(err)
			}
			if place == "beside" {
				b, err := json.Marshal(ssm)
				if err != nil {
					t.Fatal(err)
				}
				put(t, filepath.Join(dir, "mamba_config.json"), b)
			}
			if err := CheckConfig(dir); err != nil {
				t.Error(err)
			}
			out, sum := run(t, dir, "f32")
			got := read(t, out)
			if _, ok := got.tensors["rope_freqs.weight"]; !ok || len(sum.Warnings) > 0 {
				t.Errorf("it is not stretched: %q", sum.Warnings)
			}
			delete(got.tensors, "rope_freqs.weight")
			if a, b := slices.Sorted(maps.Keys(got.tensors)), slices.Sorted(maps.Keys(want.tensors)); !slices.Equal(a, b) {
				t.Fatalf("tensors %q, want %q", a, b)
			}
			for name := range want.tensors {
				if !slices.Equal(got.floats(t, name), want.floats(t, name)) {
					t.Errorf("%s differs", name)
				}
			}
		})
	}
}

// floats32 is a tensor of a checkpoint.
func floats32(shape []int, value func(i int) float32) *stored {
	s := &stored{DType: "F32", Shape: shape}
	n := 1
	for _, d := range shape {
		n *= d
	}
	for i := range n {
		s.data = binary.LittleEndian.AppendUint32(s.data, math.Float32bits(value(i)))
	}
	return s
}

// M1's merged bias is cut like the matrix, and rows of q and k change places.
func TestMergedBias(t *testing.T) {
	dir := fixture(t, "mamba1-merged")
	retouch(t, filepath.Join(dir, "model.safetensors"), func(m map[string]*stored) {
		for _, layer := range []string{"1", "2"} {
			m["model.layers."+layer+".mha.in_proj.bias"] = floats32([]int{128}, func(i int) float32 { return float32(i) })
		}
	})
	out, _ := run(t, dir, "q8_0")
	g := read(t, out)
	if got := g.floats(t, "blk.1.attn_q.bias"); len(got) != 64 || !slices.Equal(got[:4], []float32{0, 8, 1, 9}) || got[17] != 24 {
		t.Errorf("bias of q %v", got)
	}
	if got := g.floats(t, "blk.2.attn_k.bias"); len(got) != 32 || !slices.Equal(got[:3], []float32{64, 72, 65}) {
		t.Errorf("bias of k %v", got)
	}
	if got := g.floats(t, "blk.1.attn_v.bias"); len(got) != 32 || got[0] != 96 || got[31] != 127 {
		t.Errorf("bias of v %v", got)
	}
}

// familyOf copies a family's checkpoint, with a tokenizer.
func familyOf(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.CopyFS(dir, os.DirFS("../testdata/families/"+name)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("../testdata/fixtures/llama/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "tokenizer.json"), b)
	return dir
}

// Layers of Apriel-H1 that do nothing are left out, and discrete Mamba-2 is refused
// by name.
func TestAprielLayers(t *testing.T) {
	dir := familyOf(t, "apriel-h1")
	edit(t, filepath.Join(dir, "config.json"), map[string]any{"hybrid_block_layout": []string{"m2", "t", "m2", "i", "m2"}})
	retouch(t, filepath.Join(dir, "model.safetensors"), func(m map[string]*stored) {
		maps.DeleteFunc(m, func(name string, _ *stored) bool { return len(name) > 15 && name[:15] == "model.layers.3." })
	})
	out, _ := run(t, dir, "f32")
	got := read(t, out)
	whole, _ := run(t, familyOf(t, "apriel-h1"), "f32")
	want := read(t, whole)
	if n := got.keys["mambainllama.block_count"]; n != uint32(4) {
		t.Errorf("%v layers", n)
	}
	if !slices.Equal(got.floats(t, "blk.3.ssm_in.weight"), want.floats(t, "blk.4.ssm_in.weight")) {
		t.Error("the last layer is another")
	}
	edit(t, filepath.Join(dir, "config.json"), map[string]any{"hybrid_block_layout": []string{"m2", "t", "m2d", "i", "m2"}})
	fails(t, dir, false, "layer 2 is m2d, discrete Mamba-2, which mil does not run")
}

// Where Falcon-H1's table also makes the logits, each use has its own multiplier.
func TestFalconTied(t *testing.T) {
	dir := familyOf(t, "falcon-h1")
	edit(t, filepath.Join(dir, "config.json"), map[string]any{"tie_word_embeddings": true, "time_step_limit": nil})
	out, _ := run(t, dir, "f32")
	g := read(t, out)
	table, head := g.floats(t, "token_embd.weight"), g.floats(t, "output.weight")
	for i, v := range table[:1000] {
		if want := v / 2.5 * 0.4; math.Abs(float64(head[i]-want)) > 1e-6*math.Abs(float64(want)) {
			t.Fatalf("value %d of the head is %g, want %g", i, head[i], want)
		}
	}
}

// Experts are refused by name, wherever a config has them.
func TestExpertsAreRefused(t *testing.T) {
	dir := familyOf(t, "nemotron-h")
	edit(t, filepath.Join(dir, "config.json"), map[string]any{"layers_block_type": nil, "hybrid_override_pattern": "M-*-M-*E", "time_step_limit": nil})
	fails(t, dir, false, "layer 7 is a mixture of experts, which mil does not run")
	edit(t, filepath.Join(dir, "config.json"), map[string]any{"hybrid_override_pattern": "M-*-M-*M"})
	run(t, dir, "f32")
}

// A Qwen3.5 that sees images is converted without what sees them, and without the
// head that drafts.
func TestTextPart(t *testing.T) {
	dir := familyOf(t, "qwen3.5")
	want, _ := run(t, dir, "f32")
	var text map[string]any
	path := filepath.Join(dir, "config.json")
	raw, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(raw, &text) != nil {
		t.Fatal(err)
	}
	outer, err := json.Marshal(map[string]any{"model_type": "qwen3_5", "architectures": []string{"Qwen3_5ForConditionalGeneration"}, "text_config": text,
		"vision_config": map[string]any{"depth": 2}, "image_token_id": 7, "tie_word_embeddings": false})
	if err != nil || os.WriteFile(path, outer, 0o644) != nil {
		t.Fatal(err)
	}
	retouch(t, filepath.Join(dir, "model.safetensors"), func(m map[string]*stored) {
		for _, name := range slices.Collect(maps.Keys(m)) {
			if rest, ok := strings.CutPrefix(name, "model."); ok {
				m["model.language_model."+rest] = m[name]
				delete(m, name)
			}
		}
		for _, other := range []string{"model.visual.blocks.0.norm.weight", "mtp.norm.weight"} {
			norm := *m["model.language_model.norm.weight"]
			m[other] = &norm
		}
	})
	got, summary := run(t, dir, "f32")
	a, b := read(t, want), read(t, got)
	if !slices.Equal(a.floats(t, "blk.1.attn_q.weight"), b.floats(t, "blk.1.attn_q.weight")) || !slices.Equal(a.floats(t, "blk.0.ssm_out.weight"), b.floats(t, "blk.0.ssm_out.weight")) {
		t.Error("other weights than those of the text part alone")
	}
	if all := strings.Join(summary.Warnings, "\n"); !strings.Contains(all, "what sees images is left out (1 tensors") || !strings.Contains(all, "the head that drafts is left out") {
		t.Errorf("%q", summary.Warnings)
	}
}
