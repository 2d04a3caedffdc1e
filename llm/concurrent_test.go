package llm_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/tokenizer"
)

var tokenizerOptions = tokenizer.EncodeOptions{}

// Replies of several goroutines, in loops that use the model again, beside
// sessions that are saved, left and closed, on two models of one machine: every
// text is the one that it is alone.
func TestConcurrent(t *testing.T) {
	mc := llm.NewMachine(llm.Options{Backend: "cpu", Threads: 2})
	o := llm.Options{Context: 256, Draft: "lookup", Set: llm.Greedy, PromptCache: filepath.Join(t.TempDir(), "cache")}
	a, err := mc.Open("", o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := mc.Open("", llm.Options{Context: 128, Set: llm.Greedy})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{"What is 2 plus 3?", "My name is Opal.", "Tell me a story.", "Tell me a tale about a fox."}
	cut := func(s *llm.Settings) { s.MaxTokens = 12 }
	want := map[string]string{}
	for _, text := range texts {
		want[text] = whole(t, b.Chat(quiet, llm.User(text), cut)).Text
	}
	ask := func(m *llm.Model, text string) error {
		got := ""
		for p, err := range m.Chat(quiet, llm.User(text), cut) {
			if err != nil {
				return err
			}
			if p.Reply != nil {
				got = p.Reply.Text
			}
		}
		if got != want[text] {
			return fmt.Errorf("%q in company, %q alone", got, want[text])
		}
		return nil
	}
	talk := func(i int) error {
		s, err := a.NewSession(cut)
		if err != nil {
			return err
		}
		for _, err := range s.Say(quiet, texts[i%len(texts)]) {
			if err := errors.Join(err, ask(b, texts[0])); err != nil { // in the loop over another
				return err
			}
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		if err := errors.Join(s.Save(path), s.Reset()); err != nil {
			return err
		}
		if _, err = s.Feed([]int32{1, 2, 3}); err != nil {
			return err
		}
		if _, err = s.Load(path); err != nil {
			return err
		}
		for range s.Say(quiet, "Tell me a story.") {
			break
		}
		return s.Close()
	}
	var wait sync.WaitGroup
	for i := range 4 {
		wait.Go(func() {
			err := errors.Join(ask(a, texts[i]), ask(b, texts[3-i]), talk(i), cancelled(a), ask(a, texts[3-i]))
			if err != nil {
				t.Errorf("goroutine %d: %v", i, err)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(a.Close(), b.Close(), mc.Close()); err != nil {
		t.Error(err)
	}
}

// cancelled ends a reply at its first piece.
func cancelled(m *llm.Model) error {
	ctx, cancel := context.WithCancel(quiet)
	defer cancel()
	for _, err := range m.Chat(ctx, llm.User("Tell me a story.")) {
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// A model that is closed while it talks ends its replies, and makes no new ones.
func TestCloseWhileTalking(t *testing.T) {
	m, err := llm.Open("", llm.Options{Backend: "cpu", Threads: 2, Context: 256, Set: llm.Greedy})
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for p, err := range m.Chat(quiet, llm.User("My name is Opal.")) {
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		text += p.Text
	}
	if text != "Nice to meet you, Opal!" {
		t.Errorf("%q", text)
	}
	for _, err := range m.Chat(quiet, llm.User("x")) {
		if !errors.Is(err, llm.ErrClosed) {
			t.Error(err)
		}
	}
	if _, err := m.NewSession(); !errors.Is(err, llm.ErrClosed) {
		t.Error(err)
	}
}
