package model_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
)

// A quantized file and the same file turned back into float32 give the same
// logits where activations stay float: every type is read as quant unpacks it,
// and only the type of the KV cache differs. Against the checkpoint itself q8_0
// may differ by what quantization costs these random weights.
//
// The fast path, whose activations are int8, stays near the plain one: as near
// as is measured on the trained demos, and within what the fixtures' random
// weights make of it.
func TestQuantizedArithmetic(t *testing.T) {
	dirs := []string{testutil.Data("demo", "hybrid-mamba1"), testutil.Data("demo", "hybrid-mamba2")}
	for _, name := range testutil.Fixtures(t) {
		dirs = append(dirs, testutil.Data("fixtures", name))
	}
	noise := []int32{5, 400, 17, 88, 301, 2, 77, 140, 9, 63, 255, 411, 30, 31, 32, 33, 34, 500, 123, 7}
	tale := transcript(t)
	o := model.Options{Context: 256}
	for i, dir := range dirs {
		demo, tokens := i < 2, noise
		if demo {
			tokens = tale
		}
		exact, _ := testutil.Convert(t, dir, "f32")
		want := logits(t, plain(t, exact, o), tokens, false)
		for _, mix := range quant.MixNames() {
			f, path := testutil.Convert(t, dir, mix)
			back, _ := testutil.Convert(t, path, "f32")
			got := logits(t, plain(t, f, o), tokens, false)
			if e := testutil.RelativeError(got, logits(t, plain(t, back, o), tokens, false)); !(e < 2e-3) {
				t.Errorf("%s at %s: %.2g from the same file at f32", dir, mix, e)
			}
			bound := map[string]float64{"f32": 1e-4, "f16": 6e-3, "bf16": 3e-2, "q8_0": 6e-2}[mix]
			if e := testutil.RelativeError(got, want); bound > 0 && !(e < bound) {
				t.Errorf("%s at %s: %.2g from the checkpoint's logits", dir, mix, e)
			}
			for _, step := range []bool{false, true} {
				e := testutil.RelativeError(logits(t, session(t, f, o), tokens, step), got)
				t.Logf("%s at %s, step %t: fast from plain %.1e", dir, mix, step, e)
				bound := 6e-2
				switch {
				case mix == "f32" || mix == "f16" || mix == "bf16":
					bound = 2e-3
				case demo:
					bound = 1e-2
				}
				if !(e < bound) {
					t.Errorf("%s at %s, step %t: the fast path is %.2g from the plain one", dir, mix, step, e)
				}
			}
		}
	}
}

// Every family gives at q8_0 nearly what transformers gives unquantized. The rows of
// these checkpoints are too short for the types that are called k.
func TestQuantizedFamilies(t *testing.T) {
	for _, name := range testutil.Families(t) {
		dir := testutil.Data("families", name)
		want := testutil.Safetensors(t, filepath.Join(dir, "expected.safetensors"))
		f, _ := testutil.Convert(t, dir, "q8_0")
		for _, step := range []bool{false, true} {
			e := apart(t, f, logits(t, session(t, f, model.Options{}), want["tokens"].I32, step), want["logits"].F32)
			t.Logf("%s, step %t: %.2g", name, step, e)
			if !(e < 8e-2) {
				t.Errorf("%s, step %t: q8_0 is %.2g from transformers", name, step, e)
			}
		}
	}
}

// With rows of 256 values every family runs at q4_k_m too. Its logits are those of the
// same file at float32 where activations stay float, the fast path is near, and
// rejected tokens leave nothing behind. What quantization costs depends on the random
// weights; q4_k_m must cost more than q8_0.
func TestWideFamilies(t *testing.T) {
	tokens := make([]int32, 20)
	for i := range tokens {
		tokens[i] = int32(i * 37 % 480)
	}
	o := model.Options{Context: 128}
	for _, name := range testutil.Families(t) {
		t.Run(name, func(t *testing.T) {
			wide := testutil.Wide(t, name)
			exact, _ := testutil.Convert(t, wide, "f32")
			want := logits(t, plain(t, exact, o), tokens, false)
			cost, fast := map[string]float64{}, 6e-2
			if name == "qwen3.5" {
				fast = 0.2 // see apart
			}
			for mix, bound := range map[string]float64{"q8_0": 6e-2, "q4_k_m": 0.5} {
				f, path := testutil.Convert(t, wide, mix)
				if mix == "q4_k_m" {
					checkKTypes(t, f)
				}
				back, _ := testutil.Convert(t, path, "f32")
				got := logits(t, plain(t, f, o), tokens, false)
				if e := apart(t, f, got, logits(t, plain(t, back, o), tokens, false)); !(e < 2e-3) {
					t.Errorf("%s: %.2g from the same file at f32", mix, e)
				}
				if cost[mix] = apart(t, f, got, want); !(cost[mix] < bound) {
					t.Errorf("%s: %.2g from f32", mix, cost[mix])
				}
				for _, step := range []bool{false, true} {
					if e := apart(t, f, logits(t, session(t, f, o), tokens, step), got); !(e < fast) {
						t.Errorf("%s, step %t: the fast path is %.2g from the plain one", mix, step, e)
					}
				}
				goesBack(t, f, o, 4)
			}
			t.Logf("from f32: q8_0 %.2g, q4_k_m %.2g", cost["q8_0"], cost["q4_k_m"])
			if !(cost["q4_k_m"] > 1.5*cost["q8_0"]) {
				t.Errorf("q4_k_m costs %.2g and q8_0 %.2g: it is not packed as q4_k_m", cost["q4_k_m"], cost["q8_0"])
			}
		})
	}
}

// apart is how far logits are from others. A gated delta net normalizes each head's
// output. Heads of random weights forget at once, and then their output is the
// direction of v with the sign of k·q: where k and q are nearly at right angles, any
// error turns it around. So of models with such layers it is the median token's.
func apart(t *testing.T, f *format.File, got, want []float32) float64 {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	turns := slices.ContainsFunc(m.Config.Layers, func(l model.Layer) bool {
		return slices.ContainsFunc(l, func(b model.Block) bool { _, ok := b.(*model.DeltaNet); return ok })
	})
	if !turns {
		return testutil.RelativeError(got, want)
	}
	var rows []float64
	for i := 0; i < len(want); i += m.Config.Vocab {
		rows = append(rows, testutil.RelativeError(got[i:i+m.Config.Vocab], want[i:i+m.Config.Vocab]))
	}
	slices.Sort(rows)
	return rows[len(rows)/2]
}

// checkKTypes wants a type called k of every matrix that a mix may pack.
func checkKTypes(t *testing.T, f *format.File) {
	t.Helper()
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range f.Tensors() {
		s, ok := m.Slot(info.Name)
		if !ok {
			t.Fatalf("%s is no slot", info.Name)
		}
		if s.Role == quant.Selection || s.Role.Exact() {
			continue
		}
		if spec, _ := info.Type.Spec(); spec.Block != 256 {
			t.Errorf("%s is %v", info.Name, info.Type)
		}
	}
}

// Keys and values kept as q8_0 cost little, and the fast path stays as near to
// the plain one as without.
func TestKVType(t *testing.T) {
	tale := transcript(t)
	for _, demo := range []string{"hybrid-mamba1", "hybrid-mamba2"} {
		f, _ := testutil.Convert(t, testutil.Data("demo", demo), "q8_0")
		half, o := model.Options{Context: 256}, model.Options{Context: 256, KV: model.KVQ8_0}
		want := logits(t, plain(t, f, o), tale, false)
		for _, step := range []bool{false, true} {
			e := testutil.RelativeError(logits(t, session(t, f, o), tale, step), want)
			t.Logf("%s, step %t: fast from plain %.1e", demo, step, e)
			if !(e < 1e-2) {
				t.Errorf("%s, step %t: the fast path is %.2g from the plain one", demo, step, e)
			}
		}
		e := testutil.RelativeError(want, logits(t, plain(t, f, half), tale, false))
		t.Logf("%s: q8_0 from f16 %.1e", demo, e)
		if !(e > 0 && e < 1e-2) {
			t.Errorf("%s: q8_0 is %.2g from f16", demo, e)
		}
	}
	f, _ := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba1"), "q8_0")
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.NewSession(cpu.New(1), model.Options{KV: model.KVQ8_0 + 1}); err == nil || !strings.Contains(err.Error(), "KVType(3)") {
		t.Errorf("an unknown type of the cache: %v", err)
	}
}

// transcript is a prompt and its answer, in the demos' tokens.
func transcript(t testing.TB) []int32 {
	t.Helper()
	f, err := os.Open(testutil.Data("demo", "hybrid-mamba2", "transcripts.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var line struct {
		Prompt []int32 `json:"prompt_ids"`
		IDs    []int32 `json:"ids"`
	}
	if err := json.NewDecoder(f).Decode(&line); err != nil {
		t.Fatal(err)
	}
	return append(line.Prompt, line.IDs...)
}
