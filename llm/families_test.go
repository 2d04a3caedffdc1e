package llm_test

import (
	"path/filepath"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/llm"
)

// In every family, at q4_k_m, a draft and a prompt cache leave greedy text as it is.
func TestFamilies(t *testing.T) {
	const prompt = "one two one two one two one"
	proposed, accepted := 0, 0
	for _, name := range testutil.Families(t) {
		t.Run(name, func(t *testing.T) {
			wide := testutil.Wide(t, name)
			_, path := testutil.Convert(t, wide, "q4_k_m")
			_, draft := testutil.Convert(t, wide, "q8_0") // right often, and not always
			cache := filepath.Join(t.TempDir(), "cache")
			few := func(s *llm.Settings) { llm.Greedy(s); s.MaxTokens = 24 }
			want := ""
			for i, o := range []llm.Options{{}, {Draft: draft, DraftTokens: 4}, {PromptCache: cache}, {PromptCache: cache}} {
				o.Set, o.Context = few, 128
				r := whole(t, open(t, path, o).Generate(quiet, prompt))
				if i == 0 {
					want = r.Text
				}
				if r.Text != want || r.Text == "" {
					t.Errorf("%+v: %q, want %q", o, r.Text, want)
				}
				if s := r.Stats.Speculation; o.Draft != "" {
					proposed += s.Proposed
					accepted += s.Accepted
				}
			}
		})
	}
	if accepted == 0 || accepted == proposed {
		t.Errorf("%d of %d drafted tokens were accepted: want some, and not all", accepted, proposed)
	}
}
