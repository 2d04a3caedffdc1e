package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
)

// part is a file with the first bytes of one in testdata.
func part(t testing.TB, bytes int, elem ...string) string {
	t.Helper()
	b, err := os.ReadFile(testutil.Data(elem...))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), elem[len(elem)-1])
	if err := os.WriteFile(path, b[:min(bytes, len(b))], 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type evaluation struct {
	Perplexity float64
	KL         *float64  `json:"kl_mean"`
	P99        *float64  `json:"kl_p99"`
	Top1       *float64  `json:"top1_agreement"`
	CI         []float64 `json:"perplexity_ci"`
	QA         *struct {
		Correct, Asked int
		Accuracy       float64
	}
	Needle *struct{ Found [][]int }
}

func evaluate(t testing.TB, args ...string) (e evaluation) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, "", append([]string{"eval", "--json"}, args...)...)), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEval(t *testing.T) {
	text := part(t, 1500, "eval", "heldout.txt")
	_, q4 := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba2"), "q4_0")
	_, f32 := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba2"), "f32")
	e := evaluate(t, q4, "-f", text, "--special", "--kl-base", f32)
	if !(e.Perplexity > 1 && e.Perplexity < 3) || e.KL == nil || !(*e.KL > 0 && *e.KL < *e.P99) || !(*e.Top1 > 0.8 && *e.Top1 < 1) || len(e.CI) != 2 || e.QA != nil {
		t.Errorf("%+v", e)
	}
	out := must(t, "", "eval", q4, "-f", text, "--special", "--kl-base", f32, "--ctx", "64", "--threads", "1")
	for _, want := range []string{"tokens ", "perplexity ", "  reference ", "KL mean ", "KL p99 ", "same top token "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	qa := filepath.Join(t.TempDir(), "qa.jsonl")
	if err := os.WriteFile(qa, []byte(`{"kind":"sum","messages":[{"role":"user","content":"What is 2 plus 3?"}],"answer":"2 + 3 = 5."}`), 0o600); err != nil {
		t.Fatal(err)
	}
	svg := filepath.Join(t.TempDir(), "n.svg")
	e = evaluate(t, "--qa", qa, "--needle", "--needle-lengths", "100", "--needle-runs", "1", "--svg", svg)
	if e.QA == nil || e.QA.Correct != 1 || e.QA.Asked != 1 || e.QA.Accuracy != 1 || e.Needle == nil || len(e.Needle.Found) != 1 || e.KL != nil {
		t.Errorf("%+v", e)
	}
	if b, err := os.ReadFile(svg); err != nil || !strings.HasPrefix(string(b), "<svg ") {
		t.Errorf("the drawing: %.20q, %v", b, err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"nothing to measure", []string{}},
		{"--kl-base needs a text", []string{"--kl-base", f32, "--qa", qa}},
		{"belong to --needle", []string{"--svg", svg, "--qa", qa}},
		{"has another vocabulary", []string{"-f", text, "--kl-base", fixture(t, "llama", "f32")}},
		{"--kl-base: ", []string{"-f", text, "--kl-base", "nowhere.bin"}},
		{"nowhere.bin", []string{"nowhere.bin", "-f", text}},
		{"--isa", []string{"-f", text, "--isa", "z80"}},
	} {
		if _, _, err := mil(t, "", append([]string{"eval"}, c.args...)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("eval %q: %v, want %s", c.args, err, c.want)
		}
	}
}

// At q4_k, at equal size, weights fitted to their inputs diverge much less
// from float32 on text that the inputs did not come from.
func TestImatrix(t *testing.T) {
	// A single token can bring half of the divergence of a short text.
	read, held := part(t, 4000, "eval", "calibration.txt"), part(t, 16000, "eval", "heldout.txt")
	for _, name := range []string{"hybrid-mamba1", "hybrid-mamba2"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, f32 := testutil.Convert(t, testutil.Data("demo", name), "f32")
			_, plain := testutil.Convert(t, testutil.Data("demo", name), "q4_k")
			imatrix, fitted := filepath.Join(dir, "imatrix"), filepath.Join(dir, "fitted.bin")
			must(t, "", "imatrix", f32, "-f", read, "--special", "-o", imatrix)
			if out := must(t, "", "convert", f32, "--type", "q4_k", "--imatrix", imatrix, "-o", fitted); !strings.Contains(out, "weighted      49 tensors") {
				t.Errorf("the summary:\n%s", out)
			}
			a, _ := os.Stat(plain)
			b, err := os.Stat(fitted)
			if err != nil || a.Size() != b.Size() {
				t.Fatalf("sizes differ, or %v", err)
			}
			before := evaluate(t, plain, "-f", held, "--special", "--kl-base", f32)
			after := evaluate(t, fitted, "-f", held, "--special", "--kl-base", f32)
			t.Logf("KL divergence %.6f, without inputs %.6f", *after.KL, *before.KL)
			if *after.KL > 0.75**before.KL {
				t.Errorf("KL divergence %.6f, without inputs %.6f: want 25%% less", *after.KL, *before.KL)
			}
		})
	}
	if _, _, err := mil(t, "", "convert", testutil.Data("demo", "draft"), "--imatrix", read, "-o", "x.bin"); err == nil || !strings.Contains(err.Error(), "--imatrix: ") {
		t.Errorf("a text as statistics: %v", err)
	}
}
