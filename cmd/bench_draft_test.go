package cmd_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBenchDraft(t *testing.T) {
	messages := filepath.Join(t.TempDir(), "m.jsonl")
	os.WriteFile(messages, []byte(`{"messages":[{"role":"user","content":"Tell me a story."}]}`+"\n"), 0o600)
	for _, draft := range []string{"demo", "lookup", "lookup,demo"} {
		out := must(t, "", "bench", "--backend", "cpu", "--draft", draft, "--messages", messages, "--gen", "40", "--json")
		var got []struct {
			Speedup  float64
			Replies  []struct{ Same bool }
			PassCost map[string]float64 `json:"pass_cost"`
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil || len(got) != 1 || !(got[0].Speedup > 0) || len(got[0].Replies) != 1 || !got[0].Replies[0].Same || got[0].PassCost["1"] != 1 {
			t.Errorf("draft %s: %v\n%s", draft, err, out)
		}
	}
	// Drawn text follows the seed where K is fixed.
	args := []string{"run", "--backend", "cpu", "--seed", "7", "--temp", "1.2", "--draft", "demo", "--draft-k", "4", "--max-tokens", "40", "Tell me a story."}
	if a, b := must(t, "", args...), must(t, "", args...); a != b {
		t.Errorf("one seed and K, two texts: %q, %q", a, b)
	}
	for want, args := range map[string][]string{
		"--messages goes with --draft": {"bench", "--messages", messages},
		"nowhere":                      {"bench", "--draft", "demo", "--messages", "nowhere"},
		"--draft-k 16":                 {"bench", "--draft", "demo", "--draft-k", "16"},
		"no/such":                      {"run", "--draft", "no/such", "x"},
		"vocabulary":                   {"run", "--draft", fixture(t, "llama", "f32"), "x"},
	} {
		if _, _, err := mil(t, "", args...); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("mil %q: %v, want %q", args, err, want)
		}
	}
}
