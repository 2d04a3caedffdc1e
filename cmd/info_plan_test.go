package cmd

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
)

// Metal's plans launch and hold at most a tenth more than CUDA's, for every
// layout, at every size of pass that is shown.
func TestMetalPlansLikeCUDA(t *testing.T) {
	engines := map[string]*chat.Engine{}
	file, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	if engines["demo"], err = chat.Open(file); err != nil {
		t.Fatal(err)
	}
	for _, name := range testutil.Checkpoints(t) {
		for _, mix := range []string{"q4_k_m", "f16"} {
			f, _ := testutil.Convert(t, testutil.Data("fixtures", name), mix)
			if engines[name+" "+mix], err = chat.Open(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, e := range engines {
		o := model.Options{Context: e.Model.Config.Context}
		ours, err := describePlan(e, "metal", "", o)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := describePlan(e, "cuda", "", o)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range ours.Passes {
			c := theirs.Passes[i]
			t.Logf("%s, %d tokens: %d launches and %d bytes, CUDA's %d and %d", name, m.Tokens, m.Launches, m.Bytes(), c.Launches, c.Bytes())
			if 10*m.Launches > 11*c.Launches || 10*m.Bytes() > 11*c.Bytes() {
				t.Errorf("%s, %d tokens: %+v, CUDA plans %+v", name, m.Tokens, m.Cost, c.Cost)
			}
		}
	}
}

func TestInfoPlan(t *testing.T) {
	_, path := testutil.Convert(t, testutil.Data("fixtures", "mamba2-half"), "q8_0")
	run := func(args ...string) (string, error) {
		var out, errs strings.Builder
		err := Execute(append([]string{"info", "--plan", path}, args...), strings.NewReader(""), &out, &errs)
		return out.String(), err
	}
	for _, name := range []string{"cpu", "cuda", "metal"} {
		out, err := run("--backend", name, "--json", "--ctx", "100")
		if err != nil {
			t.Fatal(err)
		}
		var i planInfo
		if err := json.Unmarshal([]byte(out), &i); err != nil {
			t.Fatal(err)
		}
		if i.Backend != name || i.Context != 100 || len(i.Passes) != 3 || i.Passes[0].Launches == 0 || i.Passes[2].Values <= i.Passes[0].Values {
			t.Errorf("%+v", i)
		}
		if out, err = run("--backend", name); err != nil || !strings.Contains(out, "planned for "+name) || (strings.Count(out, "\n") == 5) != (name == "cpu") {
			t.Errorf("%v in\n%s", err, out)
		}
	}
	for _, name := range chipNames() {
		out, err := run("--chip", name, "--json")
		if err != nil {
			t.Fatal(err)
		}
		var i planInfo
		if err := json.Unmarshal([]byte(out), &i); err != nil {
			t.Fatal(err)
		}
		if i.Chip == nil || i.Chip.Name != name || i.Backend != backendOf(name) || i.Chip.Cores < 8 || i.Chip.Shared < 32<<10 {
			t.Errorf("%s: %+v", name, i)
		}
		if want := map[bool]int{true: 2048, false: 512}[name == "9.0"]; i.Passes[2].Tokens != want {
			t.Errorf("%s: prompts of %d tokens, want %d", name, i.Passes[2].Tokens, want)
		}
		sum := 0
		for _, n := range i.Passes[0].Kernels {
			sum += n
		}
		if sum == 0 || sum != i.Passes[0].Launches {
			t.Errorf("%s: %d launches of kernels, %d in all", name, sum, i.Passes[0].Launches)
		}
		if out, err = run("--chip", name); err != nil || !strings.Contains(out, " on "+name+" (") || !strings.Contains(out, "embed") {
			t.Errorf("%v in\n%s", err, out)
		}
	}
	for _, args := range [][]string{{"--chip", "9.0", "--backend", "metal"}, {"--chip", "apple9", "--backend", "cpu"}} {
		if _, err := run(args...); err == nil || !strings.Contains(err.Error(), "--chip "+args[1]+" is a chip of --plan --backend "+backendOf(args[1])) {
			t.Errorf("%q: %v", args, err)
		}
	}
	if _, err := run("--backend", "vulkan"); err == nil || !strings.Contains(err.Error(), "--backend vulkan is none of cpu, cuda, metal") {
		t.Error(err)
	}
}
