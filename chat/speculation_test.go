package chat_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/speculate"
)

func demoDraft(t testing.TB) speculate.Drafter {
	t.Helper()
	f, err := demo.OpenDraft()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(cpu.New(0), model.Options{Context: 1024})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return speculate.NewModel(s, sample.Options{})
}

// A whole conversation, with replies ended by their turn, a stop string, a
// token limit, an interrupt and a full context, is the same with a draft as
// without: every text, every reason, and every token in the session. Of the
// contexts, two are sampled.
func TestConversationWithDraft(t *testing.T) {
	type outcome struct {
		replies []string
		tokens  []int32
	}
	talk := func(draft speculate.Options, contextSize int) outcome {
		var o outcome
		e, s := demoTalk(t, contextSize)
		c := e.ConverseWith(s, chat.Settings{}, draft)
		say := func(text string, set chat.Settings, stopAfter int) {
			if contextSize%2 == 1 {
				set.Sampling = sample.Options{Temp: 0.9, TopP: 0.95, Seed: 11}
			}
			c.Set(set)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			shown := 0
			r, err := c.Say(ctx, text, func(s string) {
				if shown += len(s); stopAfter > 0 && shown >= stopAfter {
					cancel()
				}
			})
			if stopAfter > 0 { // how much a pass adds is the draft's business
				r.Text = r.Text[:min(len(r.Text), stopAfter)]
			}
			o.replies = append(o.replies, fmt.Sprint(r.Text, "|", r.Why, "|", err))
		}
		say("My name is Opal.", chat.Settings{}, 0)
		say("Tell me a tale about a hare named Leo.", chat.Settings{Stop: []string{" lived near", "xyz"}}, 0)
		say("Repeat these words: dragon carrots map honey dragon carrots map honey.", chat.Settings{}, 0)
		for n := 1; n < 12; n++ {
			say("Tell me a story.", chat.Settings{MaxTokens: n}, 0)
		}
		say("What is my name?", chat.Settings{}, 0)
		o.tokens = slices.Clone(s.Tokens())
		say("Tell me a story.", chat.Settings{}, 60)
		return o
	}
	for _, size := range []int{1024, 230, 231, 233, 236} {
		want := talk(speculate.Options{}, size)
		for _, k := range []int{-1, 1, 2, 5, 15} {
			for name, d := range map[string]speculate.Drafter{"model": demoDraft(t), "lookup": speculate.NewLookup(), "both": speculate.Auto{speculate.NewLookup(), demoDraft(t)}} {
				got := talk(speculate.Options{Draft: d, K: k}, size)
				for i := range want.replies {
					if got.replies[i] != want.replies[i] {
						t.Fatalf("context %d, draft %s, K %d: reply %d is\n%q, without a draft\n%q", size, name, k, i, got.replies[i], want.replies[i])
					}
				}
				if !slices.Equal(got.tokens, want.tokens) {
					t.Errorf("context %d, draft %s, K %d: the session holds other tokens", size, name, k)
				}
			}
		}
	}
}
