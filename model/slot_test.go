package model

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/quant"
)

// shapes are configs of each architecture.
func shapes() []*Config {
	llama := Config{Arch: "llama", Depth: 32, DModel: 4096, DFF: 14336, Vocab: 1000, Context: 8192, Eps: 1e-5, Heads: 32, HeadDim: 128,
		KVHeads: make([]int, 32), Rope: Rope{Base: 5e5, Dims: 128, Scale: 2}, Window: 4096}
	hybrid := llama
	hybrid.Arch, hybrid.Window, hybrid.KVHeads = "mambainllama", 0, make([]int, 32)
	for i := range llama.KVHeads {
		llama.KVHeads[i] = 8
		hybrid.KVHeads[i] = i % 2 * 8
	}
	first := hybrid
	first.SSM = SSM{Version: 1, Conv: 4, Inner: 4096, State: 16, Rank: 256, Groups: 1, XB: 1024, RepeatBeforeConv: true}
	second := hybrid
	second.SSM = SSM{Version: 2, Conv: 4, Inner: 4096, State: 128, Rank: 32, Groups: 32, XB: 1024}
	mamba := Config{Arch: "mamba", Depth: 32, DModel: 4096, Vocab: 1000, Context: 1 << 20, Eps: 1e-5,
		SSM: SSM{Version: 1, Conv: 4, Inner: 8192, State: 16, Rank: 256, Groups: 1, XB: 8192}}
	mamba2 := mamba
	mamba2.Arch, mamba2.SSM = "mamba2", SSM{Version: 2, Conv: 4, Inner: 8192, State: 128, Rank: 128, Groups: 8, XB: 8192}
	normed := mamba
	normed.SSM.Normed, normed.SSM.NormEps = true, float64(float32(1e-6))
	return append([]*Config{&llama, &first, &second, &mamba, &mamba2, &normed}, others(llama, mamba2.SSM)...)
}

// others are those of transformers' families, made of a Llama and a Mamba-2.
func others(llama Config, ssm SSM) []*Config {
	qwen2, qwen3 := llama, llama
	qwen2.Arch, qwen3.Arch = "qwen2", "qwen3"
	granite := llama
	granite.Arch, granite.Window, granite.SSM, granite.KVHeads = "granitehybrid", 0, ssm, make([]int, 32)
	granite.Rope = Rope{Base: 10000}
	granite.Scales = Scales{Embedding: 12, Residual: float64(float32(0.22)), Attention: 0.015625, Logits: 8}
	bamba := granite
	bamba.Rope.Dims, bamba.Scales = 64, Scales{}
	falcon := llama
	falcon.Arch, falcon.Window, falcon.SSM = "falcon-h1", 0, ssm
	nemotron := granite
	nemotron.Arch, nemotron.Scales, nemotron.Rope, nemotron.DFF = "nemotron_h", Scales{}, Rope{}, 0
	nemotron.KVHeads, nemotron.Inner = make([]int, 32), make([]int, 32)
	nemotron.SSM.MinStep = float64(float32(0.001))
	for i := range granite.KVHeads {
		granite.KVHeads[i] = i % 2 * 8
		nemotron.KVHeads[i] = i % 4 / 3 * 8
		nemotron.Inner[i] = i % 4 % 3 % 2 * 14336
	}
	qwen35 := llama
	qwen35.Arch, qwen35.KVHeads = "qwen35", make([]int, 32)
	qwen35.Rope.Dims, qwen35.Window = qwen35.HeadDim/4, 0
	qwen35.SSM = SSM{Version: 2, Conv: 4, Inner: 4096, State: 128, Rank: 32, Groups: 16, XB: 4096}
	for i := 3; i < 32; i += 4 {
		qwen35.KVHeads[i] = 8
	}
	return []*Config{&qwen2, &qwen3, &granite, &bamba, &falcon, &nemotron, &qwen35}
}

// The mixes give every slot the type that files have had from the beginning.
// This is the table by names of which FORMAT.md tells; mixes go by roles.
func TestSlotTypes(t *testing.T) {
	const picked = "picked"
	types := map[string]string{
		"token_embd": "q5_k", "output": "q6_k", "output_norm": "f32", "rope_freqs": "f32",
		"attn_norm": "f32", "attn_q_norm": "f32", "attn_k_norm": "f32", "attn_q": "q4_k", "attn_k": "q4_k", "attn_v": picked, "attn_output": "q4_k",
		"ffn_norm": "f32", "ffn_gate": "q4_k", "ffn_up": "q4_k", "ffn_down": picked,
		"attn_qkv": "q5_k", "attn_gate": "q5_k", "post_attention_norm": "f32", "ssm_alpha": "q8_0", "ssm_beta": "q8_0",
		"ssm_in": "q5_k", "ssm_x": "q8_0", "ssm_out": picked,
		"ssm_conv1d": "f32", "ssm_dt": "f32", "ssm_a": "f32", "ssm_d": "f32", "ssm_norm": "f32",
	}
	mix, err := quant.ParseMix("q4_k_m")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range shapes() {
		if err := c.Build(); err != nil {
			t.Fatal(c.Arch, err)
		}
		for _, s := range c.Slots() {
			name := strings.TrimSuffix(s.Name, ".weight")
			seen[name] = true
			want := types[name]
			switch {
			case strings.HasSuffix(s.Name, ".bias"):
				want = "f32"
			case want == picked && (s.Layer < 4 || s.Layer >= 28 || (s.Layer-4)%3 == 2):
				want = "q6_k"
			case want == picked:
				want = "q4_k"
			}
			got := mix.Want(quant.TensorInfo{Role: s.Role, Layer: s.Layer, Layers: c.Depth, RowLen: int(s.Dims[0]), Rank: len(s.Dims)})
			if got.String() != want {
				t.Errorf("%s: %s is %s, want %s", c.Arch, s.Full(), got, want)
			}
			values := uint64(1)
			for _, d := range s.Dims {
				values *= d
			}
			if values != uint64(s.Rows)*uint64(s.Cols) {
				t.Errorf("%s: %s is [%d][%d] and %v in files", c.Arch, s.Full(), s.Rows, s.Cols, s.Dims)
			}
			rows := 0
			for _, p := range s.Parts {
				rows += p.N
			}
			if s.Parts != nil && rows != s.Rows {
				t.Errorf("%s: %s has %d rows in parts of %d", c.Arch, s.Full(), s.Rows, rows)
			}
		}
	}
	for name := range types {
		if !seen[name] {
			t.Errorf("no architecture has %s", name)
		}
	}
}

// One declaration writes the keys and reads them: what is written comes back.
func TestKeysBothWays(t *testing.T) {
	for i, c := range shapes() {
		path := filepath.Join(t.TempDir(), "keys.gguf")
		w := format.NewWriter(path, false)
		w.Set("general.architecture", c.Arch)
		if err := c.Keys(func(key string, value any) { w.Set(key, value) }); err != nil {
			t.Fatal(err)
		}
		w.Add("token_embd.weight", quant.F32, 1)
		if err := w.Begin(); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		f, err := format.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := readConfig(f.KV())
		if err != nil {
			t.Fatal(err)
		}
		want := *c
		want.Vocab = 0 // the embedding tells
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%d: %+v, want %+v", i, *got, want)
		}
	}
}
