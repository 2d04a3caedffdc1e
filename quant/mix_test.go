package quant

import "testing"

func TestMix(t *testing.T) {
	const layers = 32
	tensor := func(role Role, layer int) TensorInfo {
		return TensorInfo{Role: role, Layer: layer, Layers: layers, RowLen: 4096, Rank: 2}
	}
	tied := tensor(Embedding, -1)
	tied.Tied = true
	line := tensor(Matrix, 5)
	line.Rank = 1
	short := tensor(Matrix, 5)
	short.RowLen = 96
	odd := short
	odd.RowLen = 20
	for _, c := range []struct {
		t                TensorInfo
		q4km, q5km, q4_0 Type
	}{
		{tensor(Output, -1), Q6_K, Q6_K, Q4_0},
		{tensor(Embedding, -1), Q5_K, Q6_K, Q4_0},
		{tied, Q6_K, Q6_K, Q4_0},
		{tensor(Matrix, 0), Q4_K, Q5_K, Q4_0},
		{tensor(Matrix, 5), Q4_K, Q5_K, Q4_0},
		{tensor(Sensitive, 0), Q6_K, Q6_K, Q4_0},
		{tensor(Sensitive, 3), Q6_K, Q6_K, Q4_0},
		{tensor(Sensitive, 4), Q4_K, Q5_K, Q4_0},
		{tensor(Sensitive, 5), Q4_K, Q5_K, Q4_0},
		{tensor(Sensitive, 6), Q6_K, Q6_K, Q4_0},
		{tensor(Sensitive, 9), Q6_K, Q6_K, Q4_0},
		{tensor(Sensitive, 26), Q4_K, Q5_K, Q4_0},
		{tensor(Sensitive, 27), Q6_K, Q6_K, Q4_0},
		{tensor(Sensitive, 28), Q6_K, Q6_K, Q4_0},
		{tensor(Projection, 5), Q5_K, Q6_K, Q4_0},
		{tensor(Selection, 5), Q8_0, Q8_0, Q4_0},
		{tensor(Step, 5), F32, F32, F32},
		{tensor(Elementwise, 5), F32, F32, F32},
		{line, F32, F32, F32},
		{short, Q8_0, Q8_0, Q4_0},
		{odd, F16, F16, F16},
	} {
		for name, want := range map[string]Type{"q4_k_m": c.q4km, "Q5_K_M": c.q5km, "q4_0": c.q4_0} {
			m, err := ParseMix(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := m.TypeFor(c.t); got != want {
				t.Errorf("%s: role %d, layer %d, rows of %d: %s, want %s", m, c.t.Role, c.t.Layer, c.t.RowLen, got, want)
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
	const want = `unknown type "q3_x" (known: f32 f16 bf16 q8_0 q6_k q5_1 q5_k q5_0 q4_1 q4_k iq4_nl q4_0 iq4_xs mxfp4 q3_k q2_k q4_k_m q5_k_m)`
	if _, err := ParseMix("q3_x"); err == nil || err.Error() != want {
		t.Errorf("ParseMix(q3_x): %v, want %s", err, want)
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
