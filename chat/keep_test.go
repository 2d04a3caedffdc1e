package chat_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/sample"
	"github.com/mil-run/mil/session"
	"github.com/mil-run/mil/speculate"
)

var smallTalk = []string{"My name is Opal.", "Tell me a tale about a hare named Leo.", "What is my name?", "What is 12 plus 30?"}

// A chat that is left after every turn and taken up from its file goes on as one
// that is not: the same texts and tokens, and no token is fed again.
func TestChatGoesOnFromFile(t *testing.T) {
	mamba1, _ := testutil.Convert(t, testutil.Data("demo", "hybrid-mamba1"), "q4_k_m")
	mamba2, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	drawn := sample.Options{Temp: 0.9, TopP: 0.95, Seed: 5}
	for name, v := range map[string]struct {
		f     *format.File
		o     sample.Options
		draft bool
	}{"mamba1, drawn": {mamba1, drawn, false}, "mamba2, drawn": {mamba2, drawn, false}, "mamba1, draft": {mamba1, sample.Options{}, true}, "mamba2, draft": {mamba2, sample.Options{}, true}, "mamba2, both": {mamba2, drawn, true}} {
		t.Run(name, func(t *testing.T) {
			e, err := chat.Open(v.f)
			if err != nil {
				t.Fatal(err)
			}
			begin := func() (*chat.Conversation, *model.Session) {
				s, err := e.Model.NewSession(cpu.New(0), model.Options{Context: 1024})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { s.Close() })
				var draft speculate.Options
				if v.draft {
					draft = speculate.Options{Draft: demoDraft(t), K: 4}
				}
				return e.ConverseWith(s, chat.Settings{Sampling: v.o}, draft), s
			}
			whole, ws := begin()
			path := filepath.Join(t.TempDir(), "talk")
			for i, text := range smallTalk {
				want := say(t, whole, text)
				c, s := begin()
				c.Set(chat.Settings{Sampling: sample.Options{Seed: 99}}) // the file's win
				found, err := c.Attach(path)
				if err != nil || (found == nil) != (i == 0) {
					t.Fatal(found, err)
				}
				if i == 0 {
					c.Set(chat.Settings{Sampling: v.o})
				}
				got := say(t, c, text)
				if got.Text != want.Text || got.Stats.PromptTokens != want.Stats.PromptTokens {
					t.Fatalf("turn %d: %q after %d tokens, uninterrupted %q after %d", i, got.Text, got.Stats.PromptTokens, want.Text, want.Stats.PromptTokens)
				}
				if err := errors.Join(c.Sync(), c.Close()); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.Tokens(), ws.Tokens()) {
					t.Fatalf("turn %d: other tokens", i)
				}
			}
		})
	}
}

// Going back feeds nothing of the conversation again, neither in one sitting nor
// after taking a chat up from its file.
func TestGoingBackFeedsNothing(t *testing.T) {
	for _, fromFile := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "talk")
		var c *chat.Conversation
		reopen := func() {
			if c != nil && !fromFile {
				return
			}
			if c != nil {
				if err := errors.Join(c.Sync(), c.Close()); err != nil {
					t.Fatal(err)
				}
			}
			e, s := demoTalk(t, 1024)
			c = e.Converse(s, chat.Settings{})
			if _, err := c.Attach(path); err != nil {
				t.Fatal(err)
			}
		}
		reopen()
		var fed []int
		for _, text := range smallTalk {
			fed = append(fed, say(t, c, text).Stats.PromptTokens)
		}
		last := len(smallTalk) - 1
		reopen()
		again, err := c.Regenerate(context.Background(), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if n := again.Stats.PromptTokens; n != 0 && (!fromFile || n > fed[last]) {
			t.Errorf("file %v: /regen fed %d tokens, the message has %d", fromFile, n, fed[last])
		}
		reopen()
		for i := last; i > 0; i-- {
			if text, err := c.Undo(); err != nil || text != smallTalk[i] {
				t.Fatal(text, err)
			}
			reopen()
			r := say(t, c, smallTalk[i]) // answered again, and taken back
			if r.Stats.PromptTokens > fed[i] {
				t.Errorf("file %v: after /undo turn %d fed %d tokens, at first %d", fromFile, i, r.Stats.PromptTokens, fed[i])
			}
			if _, err := c.Undo(); err != nil {
				t.Fatal(err)
			}
			reopen()
		}
		if r := say(t, c, "What is my name?"); r.Text != "Your name is Opal." || r.Stats.PromptTokens > fed[2] {
			t.Errorf("file %v: %q after %d tokens", fromFile, r.Text, r.Stats.PromptTokens)
		}
		for range 2 {
			if _, err := c.Undo(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Undo(); !errors.Is(err, chat.ErrNothingToUndo) || len(c.Messages()) != 0 {
			t.Errorf("undone to the beginning: %v, %d messages", err, len(c.Messages()))
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A long prompt's end is in the file, so that its reply can be made anew.
func TestLongPromptIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "talk")
	e, s := demoTalk(t, 4096)
	c := e.Converse(s, chat.Settings{MaxTokens: 5})
	long := "Remember: "
	for range 300 {
		long += "honey is sweet. "
	}
	if _, err := c.Attach(path); err != nil {
		t.Fatal(err)
	}
	first := say(t, c, long)
	if first.Stats.PromptTokens < 600 {
		t.Fatalf("only %d tokens", first.Stats.PromptTokens)
	}
	if err := errors.Join(c.Sync(), c.Close()); err != nil {
		t.Fatal(err)
	}
	_, s = demoTalk(t, 4096)
	c = e.Converse(s, chat.Settings{MaxTokens: 5})
	if _, err := c.Attach(path); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	again, err := c.Regenerate(context.Background(), func(string) {})
	if err != nil || again.Stats.PromptTokens != 0 || again.Text != first.Text {
		t.Errorf("%q after %d tokens, %v; at first %q", again.Text, again.Stats.PromptTokens, err, first.Text)
	}
}

// With a prompt cache every conversation begins in a session that has read
// nothing, and feeds what no conversation before it has.
func TestPromptCache(t *testing.T) {
	cache, err := session.OpenCache(t.TempDir(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	cache.Warn = func(err error) { t.Error(err) }
	ask := func(messages ...string) chat.Reply {
		e, s := demoTalk(t, 4096)
		e.Cache = cache
		c := e.Converse(s, chat.Settings{MaxTokens: 40})
		var list []chat.Message
		for i, text := range messages {
			list = append(list, chat.Message{Role: []string{"user", "assistant"}[i%2], Content: text})
		}
		c.Load(list)
		r, err := c.Reply(context.Background(), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	document := "My name is Opal. " + strings.Repeat("The honey is sweet. ", 400)
	first := ask(document + "What is my name?")
	if first.Stats.ReusedTokens != 0 || first.Stats.PromptTokens < 1500 {
		t.Fatalf("at first it fed %d tokens and reused %d", first.Stats.PromptTokens, first.Stats.ReusedTokens)
	}
	if r := ask(document + "What is my name?"); r.Stats.PromptTokens != 0 || r.Text != first.Text {
		t.Errorf("the same again: %q after %d tokens, at first %q", r.Text, r.Stats.PromptTokens, first.Text)
	}
	if r := ask(document + "What is 2 plus 3?"); r.Stats.PromptTokens > session.Interval {
		t.Errorf("another question about one document fed %d tokens", r.Stats.PromptTokens)
	}
	second := ask(document+"What is my name?", first.Text, "What is 2 plus 3?")
	if second.Stats.PromptTokens > 40 {
		t.Errorf("the next turn fed %d tokens", second.Stats.PromptTokens)
	}
	if r := ask(document+"What is my name?", first.Text, "What is 4 plus 3?"); r.Stats.PromptTokens > 40 {
		t.Errorf("the last message edited fed %d tokens", r.Stats.PromptTokens)
	}
	complete := func() chat.Reply {
		e, s := demoTalk(t, 4096)
		e.Cache = cache
		r, err := e.Converse(s, chat.Settings{MaxTokens: 20}).Complete(context.Background(), document, func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := complete(), complete()
	if a.Text != b.Text || b.Stats.PromptTokens != 0 || b.Stats.ReusedTokens != a.Stats.PromptTokens+a.Stats.ReusedTokens {
		t.Errorf("completed twice: %q after %d tokens, %q after %d", a.Text, a.Stats.PromptTokens, b.Text, b.Stats.PromptTokens)
	}
}

// With room for three turns a chat goes on for twenty: nothing is fed again, the
// system message stays, and going back still works.
func TestSlidingChat(t *testing.T) {
	for _, draft := range []bool{false, true} {
		f, err := demo.Open()
		if err != nil {
			t.Fatal(err)
		}
		e, err := chat.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		s, err := e.Model.NewSession(cpu.New(0), model.Options{Context: 160, Slide: true})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var o speculate.Options
		if draft {
			o = speculate.Options{Draft: demoDraft(t), K: 4}
		}
		c := e.ConverseWith(s, chat.Settings{MaxTokens: 200}, o)
		c.System("Be kind.")
		for i := range 20 {
			before := len(s.Tokens())
			r := say(t, c, []string{"What is 2 plus 3?", "Tell me a tale about a fox.", "My name is Opal."}[i%3])
			if r.Why != chat.EndOfTurn || i > 0 && r.Stats.ReusedTokens != before || r.Stats.PromptTokens > 40 {
				t.Errorf("turn %d: ended by %s after feeding %d tokens, %d of %d reused", i, r.Why, r.Stats.PromptTokens, r.Stats.ReusedTokens, before)
			}
		}
		if s.Dropped() < 500 || s.Pinned() < 5 || s.Pinned() > 20 {
			t.Errorf("%d tokens dropped of %d, %d pinned", s.Dropped(), len(s.Tokens()), s.Pinned())
		}
		if r := say(t, c, "What is my name?"); r.Text == "" {
			t.Error("no answer")
		}
		again, err := c.Regenerate(context.Background(), func(string) {})
		if err != nil || again.Stats.PromptTokens != 0 {
			t.Errorf("made anew after feeding %d tokens, %v", again.Stats.PromptTokens, err)
		}
		if _, err := c.Undo(); err != nil {
			t.Fatal(err)
		}
		if r := say(t, c, "What is 2 plus 3?"); r.Stats.PromptTokens > 40 {
			t.Errorf("after /undo it fed %d tokens", r.Stats.PromptTokens)
		}
	}
}

// However long a chat, what it keeps to go back to stays small, and near turns
// are all there.
func TestMarksStayFew(t *testing.T) {
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	e, err := chat.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Model.NewSession(cpu.New(0), model.Options{Context: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := e.Converse(s, chat.Settings{MaxTokens: 2})
	for range 120 {
		say(t, c, "What is 2 plus 3?")
	}
	if n := chat.Marks(c); n < 18 || n > 48 {
		t.Errorf("%d points are kept after 120 turns", n)
	}
	for i := range 110 {
		if _, err := c.Undo(); err != nil {
			t.Fatal(err)
		}
		if i%10 > 0 && i > 15 {
			continue
		}
		r := say(t, c, "What is 2 plus 3?")
		if most := 40; r.Stats.PromptTokens > most && i < 15 {
			t.Errorf("%d turns back it fed %d tokens", i, r.Stats.PromptTokens)
		}
		if _, err := c.Undo(); err != nil {
			t.Fatal(err)
		}
	}
}

// A file that cannot be loaded takes nothing away.
func TestFailedRestore(t *testing.T) {
	e, s := demoTalk(t, 1024)
	c := e.Converse(s, chat.Settings{})
	say(t, c, "My name is Opal.")
	bad := filepath.Join(t.TempDir(), "bad")
	if err := c.Save(bad); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-3000] ^= 1
	if err := os.WriteFile(bad, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, filepath.Join(t.TempDir(), "none")} {
		if _, err := c.Restore(path); err == nil {
			t.Fatal("it was loaded")
		}
	}
	if r := say(t, c, "What is my name?"); r.Text != "Your name is Opal." || r.Stats.PromptTokens > 20 {
		t.Errorf("%q after feeding %d tokens", r.Text, r.Stats.PromptTokens)
	}
}
