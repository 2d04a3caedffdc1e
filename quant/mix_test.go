package quant

import (
	"fmt"
	"testing"
)

func TestMix(t *testing.T) {
	const layers = 32
	tensor := func(name string, rank int) TensorInfo {
		i := TensorInfo{Name: name, Layers: layers, RowLen: 4096, Rank: rank}
		_, _ = fmt.Sscanf(name, "blk.%d.", &i.Layer)
		return i
	}
	tied := tensor("token_embd.weight", 2)
	tied.Tied = true
	short := tensor("blk.5.attn_q.weight", 2)
	short.RowLen = 96
	odd := short
	odd.RowLen = 20
	for _, c := range []struct {
		t                TensorInfo
		q4km, q5km, q4_0 Type
	}{
		{tensor("output.weight", 2), Q6_K, Q6_K, Q4_0},
		{tensor("token_embd.weight", 2), Q5_K, Q6_K, Q4_0},
		{tied, Q6_K, Q6_K, Q4_0},
		{tensor("blk.5.attn_q.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.5.attn_k.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.5.attn_output.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.5.ffn_up.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.5.ffn_gate.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.0.ffn_down.weight", 2), Q6_K, Q6_K, Q4_0},
		{tensor("blk.3.ffn_down.weight", 2), Q6_K, Q6_K, Q4_0},
		{tensor("blk.4.ffn_down.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.5.attn_v.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.6.attn_v.weight", 2), Q6_K, Q6_K, Q4_0},
		{tensor("blk.9.ssm_out.weight", 2), Q6_K, Q6_K, Q4_0},
		{tensor("blk.27.ssm_out.weight", 2), Q6_K, Q6_K, Q4_0},
		{tensor("blk.26.ssm_out.weight", 2), Q4_K, Q5_K, Q4_0},
		{tensor("blk.28.ssm_out.weight", 2), Q6_K, Q6_K, Q4_0},
		{tensor("blk.5.ssm_in.weight", 2), Q5_K, Q6_K, Q4_0},
		{tensor("blk.5.ssm_x.weight", 2), Q8_0, Q8_0, Q4_0},
		{tensor("blk.5.ssm_dt.weight", 2), F32, F32, F32},
		{tensor("blk.5.ssm_dt.bias", 1), F32, F32, F32},
		{tensor("blk.5.ssm_conv1d.weight", 2), F32, F32, F32},
		{tensor("blk.5.ssm_conv1d.bias", 1), F32, F32, F32},
		{tensor("blk.5.ssm_a", 2), F32, F32, F32},
		{tensor("blk.5.ssm_d", 1), F32, F32, F32},
		{tensor("blk.5.ssm_norm.weight", 2), F32, F32, F32},
		{tensor("blk.5.attn_norm.weight", 1), F32, F32, F32},
		{tensor("output_norm.weight", 1), F32, F32, F32},
		{tensor("rope_freqs.weight", 1), F32, F32, F32},
		{tensor("blk.5.attn_q.bias", 1), F32, F32, F32},
		{short, Q8_0, Q8_0, Q4_0},
		{odd, F16, F16, F16},
	} {
		for name, want := range map[string]Type{"q4_k_m": c.q4km, "Q5_K_M": c.q5km, "q4_0": c.q4_0} {
			m, err := ParseMix(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.TypeFor(c.t); got != want {
				t.Errorf("%s: %s, layer %d, rows of %d: %s, want %s", m, c.t.Name, c.t.Layer, c.t.RowLen, got, want)
			}
		}
	}
}

func TestMixNames(t *testing.T) {
	for _, name := range MixNames() {
		m, err := ParseMix(name)
		if err != nil || m.String() != name {
			t.Errorf("ParseMix(%q) = %v, %v", name, m, err)
		}
	}
	const want = `unknown type "q3_k" (known: f32 f16 bf16 q8_0 q6_k q5_k q4_k q4_0 q4_k_m q5_k_m)`
	if _, err := ParseMix("q3_k"); err == nil || err.Error() != want {
		t.Errorf("ParseMix(q3_k): %v, want %s", err, want)
	}
}

func TestFallback(t *testing.T) {
	for _, c := range []struct {
		t    Type
		n    int
		want Type
	}{
		{Q4_K, 512, Q4_K}, {Q4_K, 320, Q8_0}, {Q6_K, 64, Q8_0}, {Q5_K, 40, F16},
		{Q8_0, 32, Q8_0}, {Q8_0, 33, F16}, {Q4_0, 96, Q4_0}, {Q4_0, 16, F16},
		{F32, 7, F32}, {F16, 7, F16}, {BF16, 7, BF16},
	} {
		if got := Fallback(c.t, c.n); got != c.want {
			t.Errorf("Fallback(%s, %d) = %s, want %s", c.t, c.n, got, c.want)
		}
	}
}
