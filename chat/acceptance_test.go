package chat_test

import (
	"testing"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

// How much of a drawn text the demo's draft proposes rightly, for
// docs/speculation.md. The counts do not depend on time, since K is fixed.
func TestAcceptance(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 80 tales for each row; run without -short")
	}
	e, s := demoTalk(t, 512)
	c := e.ConverseWith(s, chat.Settings{}, speculate.Options{Draft: demoDraft(t), K: 3})
	for _, o := range []sample.Options{{Temp: 0.7, TopP: 0.9}, {Temp: 1}, {Temp: 1.3}} {
		var all speculate.Stats
		for o.Seed = range 40 {
			c.Set(chat.Settings{Sampling: o, MaxTokens: 110})
			c.Reset()
			for _, text := range []string{"Tell me a tale about a fox.", "Tell me a tale about a hare named Leo."} {
				r := say(t, c, text).Stats.Speculation
				all.Passes, all.Tokens = all.Passes+r.Passes, all.Tokens+r.Tokens
				all.Proposed, all.Accepted = all.Proposed+r.Proposed, all.Accepted+r.Accepted
			}
		}
		t.Logf("temperature %g, top-p %g: %.1f%% of %d accepted, %.2f tokens a pass", o.Temp, o.TopP, 100*all.Rate(), all.Proposed, all.PerPass())
		if all.Rate() < 0.9 {
			t.Errorf("temperature %g: %.3f of the proposed tokens are accepted", o.Temp, all.Rate())
		}
	}
}
