package eval

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/model"
)

// A long text is answered alike in whatever parts it is read, and however its
// keys and values are kept.
func TestTextReadInParts(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	e, err := chat.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	b := cpu.New(0)
	defer b.Close()
	q, _ := hide(e.Tokenizer, rand.New(rand.NewPCG(1500, 3)), 1500, 0.4)
	var prompt []int32
	for _, kv := range []model.KVType{model.KVF16, model.KVQ8_0} {
		for _, part := range []int{512, 1, 16, 17, 100, 333} {
			t.Run(fmt.Sprintf("%v, parts of %d", kv, part), func(t *testing.T) {
				s, err := e.Model.NewSession(b, model.Options{Context: 2048, KV: kv})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				for p := range slices.Chunk(prompt, part) {
					if _, err := s.Feed(p, model.WantNone); err != nil {
						t.Fatal(err)
					}
				}
				c := e.Converse(s, chat.Settings{MaxTokens: 40})
				c.Load(q.Messages)
				r, err := c.Reply(context.Background(), func(string) {})
				if err != nil || r.Text != q.Answer {
					t.Errorf("%q, %v; want %q", r.Text, err, q.Answer)
				}
				if prompt == nil { // all but the last token, whose logits are wanted
					prompt = slices.Clone(s.Tokens()[:r.Stats.PromptTokens-1])
				} else if r.Stats.PromptTokens != 1 {
					t.Errorf("%d tokens of the prompt were read again", r.Stats.PromptTokens)
				}
			})
		}
	}
}
