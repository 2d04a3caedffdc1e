package chat_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/speculate"
)

// counted is a context that ends when it has been looked at left times.
type counted struct {
	context.Context
	left *atomic.Int64
}

func (c counted) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// Wherever reading a prompt is interrupted, the message is taken back and the
// conversation goes on as if it had never been: the same message, another one
// and the next give the text that they give without.
func TestInterruptAnywhere(t *testing.T) {
	long := "Read this: " + strings.Repeat("The hare ate honey. ", 120) + "Now tell me a story."
	turns := []string{"My name is Opal.", long, "What is my name?", "Tell me a story about a fox."}
	set := chat.Settings{MaxTokens: 12}
	e, s := demoTalk(t, 4096)
	plain := e.Converse(s, set)
	var want []string
	for _, text := range turns {
		want = append(want, say(t, plain, text).Text)
	}
	e, s = demoTalk(t, 4096)
	cut := 0
	for _, draft := range []speculate.Drafter{nil, demoDraft(t)} {
		for after := int64(0); after < 1<<20; after = 7*after + 2 {
			if err := s.Reset(); err != nil {
				t.Fatal(err)
			}
			c := e.ConverseWith(s, set, speculate.Options{Draft: draft, K: 3})
			interrupted := false
			for i, text := range turns {
				left := &atomic.Int64{}
				left.Store(after)
				r, err := c.Say(counted{context.Background(), left}, text+" Or else?", func(string) {})
				if err != nil {
					if !errors.Is(err, context.Canceled) || len(c.Messages()) != 2*i {
						t.Fatalf("interrupted after %d looks: %v, %d messages", after, err, len(c.Messages()))
					}
					cut++
					interrupted = true
				} else if _, err := c.Undo(); err != nil || r.Why == "" {
					t.Fatal(err)
				}
				left.Store(after)
				if _, err := c.Say(counted{context.Background(), left}, text, func(string) {}); err == nil {
					if _, err := c.Undo(); err != nil {
						t.Fatal(err)
					}
				}
				if got := say(t, c, text).Text; got != want[i] {
					t.Fatalf("interrupted after %d looks, turn %d: %q, want %q", after, i, got, want[i])
				}
			}
			if !interrupted {
				break
			}
		}
	}
	if cut < 15 {
		t.Errorf("interrupted %d times only", cut)
	}
}
