package llm_test

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/testutil"
	"github.com/mil-run/mil/llm"
)

var quiet = context.Background()

// open opens a model on two threads, and closes it after the test.
func open(t testing.TB, name string, o llm.Options) *llm.Model {
	t.Helper()
	o.Backend, o.Threads = "cpu", 2
	m, err := llm.Open(name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// whole is a reply, whose pieces are its text.
func whole(t testing.TB, pieces iter.Seq2[llm.Piece, error]) llm.Reply {
	t.Helper()
	var text strings.Builder
	var r *llm.Reply
	for p, err := range pieces {
		if err != nil {
			t.Fatal(err)
		}
		if r != nil {
			t.Fatal("a piece behind the last")
		}
		text.WriteString(p.Text)
		r = p.Reply
	}
	if r == nil || r.Text != text.String() {
		t.Fatalf("the pieces %q, the reply %+v", text.String(), r)
	}
	return *r
}

func TestChat(t *testing.T) {
	m := open(t, "", llm.Options{Set: llm.Greedy, Context: 512})
	r := whole(t, m.Chat(quiet, llm.User("My name is Opal.")))
	if r.Text != "Nice to meet you, Opal!" || r.Why.Finish() != "stop" || r.Stats.PromptTokens == 0 || r.Stats.GeneratedTokens < 5 {
		t.Errorf("%+v", r)
	}
	// The conversation goes on in the session that has read its beginning.
	talk := append(llm.User("My name is Opal."), llm.Message{Role: "assistant", Content: r.Text}, llm.Message{Role: "user", Content: "What is my name?"})
	if r = whole(t, m.Chat(quiet, talk)); r.Text != "Your name is Opal." || r.Stats.ReusedTokens < 15 {
		t.Errorf("%+v", r)
	}
	// A change of settings is one reply's.
	if r = whole(t, m.Chat(quiet, llm.User("Tell me a story."), func(s *llm.Settings) { s.MaxTokens = 3 })); r.Text != "Once upon a" || r.Why.Finish() != "length" {
		t.Errorf("%+v", r)
	}
	if r = whole(t, m.Generate(quiet, "Once upon", func(s *llm.Settings) { s.MaxTokens = 2 })); r.Text != " a time" {
		t.Errorf("%+v", r)
	}
	if r = whole(t, m.Chat(quiet, talk)); r.Text != "Your name is Opal." {
		t.Errorf("%+v", r)
	}
	for _, err := range m.Chat(quiet, talk, func(s *llm.Settings) { s.Sampling.TopP = 7 }) {
		if !errors.Is(err, llm.ErrParam) {
			t.Error(err)
		}
	}
}

// A seed gives one text, and no seed another every time.
func TestSeed(t *testing.T) {
	hot := func(s *llm.Settings) { s.Sampling.Temp, s.MaxTokens = 1.5, 20 }
	tell := func(m *llm.Model) string { return whole(t, m.Chat(quiet, llm.User("Tell me a story."))).Text }
	seeded, free := open(t, "", llm.Options{Seed: 7, Set: hot, Context: 256}), open(t, "", llm.Options{Set: hot, Context: 256})
	if a, b := tell(seeded), tell(seeded); a != b {
		t.Errorf("one seed: %q, %q", a, b)
	}
	if a, b := tell(free), tell(free); a == b {
		t.Errorf("no seed: twice %q", a)
	}
}

// A draft, a slide, another KV type and a prompt cache do not change greedy text.
func TestOptions(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	want := whole(t, open(t, "", llm.Options{Set: llm.Greedy, Context: 256}).Chat(quiet, llm.User("Tell me a story."))).Text
	for name, o := range map[string]llm.Options{
		"lookup":  {Draft: "lookup"},
		"demo":    {Draft: "lookup,demo", DraftTokens: 4},
		"auto":    {Draft: "auto"},
		"nothing": {Draft: "auto", DraftTokens: -1},
		"slide":   {Slide: true},
		"cache":   {PromptCache: cache},
		"f16":     {KV: "f16"},
	} {
		o.Set, o.Context = llm.Greedy, 256
		r := whole(t, open(t, "", o).Chat(quiet, llm.User("Tell me a story.")))
		if r.Text != want || (r.Stats.Speculation == nil) != (o.Draft == "") {
			t.Errorf("%s: %+v, want %q", name, r, want)
		}
	}
	m := open(t, "", llm.Options{PromptCache: cache, Set: llm.Greedy, Context: 256})
	if r := whole(t, m.Chat(quiet, llm.User("Tell me a story."))); r.Text != want || r.Stats.PromptTokens != 0 {
		t.Errorf("a second time with a cache: %+v", r)
	}
}

// A loop that is left and a context that ends stop the work, and the session can
// be used again.
func TestStop(t *testing.T) {
	m := open(t, "", llm.Options{Set: llm.Greedy, Context: 512})
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	for range s.Say(quiet, "Tell me a story.") {
		if err := s.Save("nowhere"); !errors.Is(err, llm.ErrBusy) {
			t.Errorf("saved while it works: %v", err)
		}
		if err := s.Close(); !errors.Is(err, llm.ErrBusy) {
			t.Errorf("closed while it works: %v", err)
		}
		break
	}
	if n := len(s.Messages()); n != 2 {
		t.Errorf("%d messages after a reply that was left", n)
	}
	ctx, cancel := context.WithCancel(quiet)
	defer cancel()
	var last llm.Piece
	for last, err = range s.Say(ctx, "Tell me a tale about a fox.") {
		cancel()
	}
	if !errors.Is(err, context.Canceled) || last.Reply == nil || last.Reply.Why.Finish() != "interrupted" || last.Reply.Text == "" {
		t.Errorf("canceled: %v, %+v", err, last)
	}
	for last, err = range s.Say(ctx, "Tell me a tale about a fox.") {
	}
	if !errors.Is(err, context.Canceled) || last.Reply != nil || len(s.Messages()) != 4 {
		t.Errorf("canceled before: %v, %+v, %d messages", err, last, len(s.Messages()))
	}
	if r := whole(t, s.Chat(quiet, llm.User("What is 2 plus 3?"))); r.Text != "2 + 3 = 5." {
		t.Errorf("%+v", r)
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	for _, err := range s.Say(quiet, "x") {
		if !errors.Is(err, llm.ErrClosed) {
			t.Error(err)
		}
	}
}

// A saved session goes on in another, and reads nothing again.
func TestSaveAndLoad(t *testing.T) {
	m := open(t, "", llm.Options{Set: llm.Greedy, Context: 512})
	path := filepath.Join(t.TempDir(), "talk")
	one, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	whole(t, one.Say(quiet, "My name is Opal."))
	if err := one.Save(path); err != nil {
		t.Fatal(err)
	}
	two, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	found, err := two.Load(path)
	if err != nil || len(found.Messages) != 2 || !slices.EqualFunc(two.Messages(), one.Messages(), llm.Message.Equal) || !slices.Equal(two.Tokens(), one.Tokens()) {
		t.Fatalf("%+v, %v", found, err)
	}
	if r := whole(t, two.Say(quiet, "What is my name?")); r.Text != "Your name is Opal." || r.Stats.PromptTokens > 20 {
		t.Errorf("%+v", r)
	}
	if _, err := two.Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if r := whole(t, two.Regenerate(quiet)); r.Text != "Your name is Opal." || r.Stats.PromptTokens != 0 {
		t.Errorf("%+v", r)
	}
	other := open(t, model(t, "zephyr"), llm.Options{Context: 64})
	s, err := other.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Load(path); !errors.Is(err, llm.ErrModel) {
		t.Error(err)
	}
}

func model(t testing.TB, fixture string) string {
	t.Helper()
	_, path := testutil.Convert(t, testutil.Data("fixtures", fixture), "q8_0")
	return path
}

// Tokens and logits, beside a conversation of the same session.
func TestFeed(t *testing.T) {
	m := open(t, "", llm.Options{Set: llm.Greedy, Context: 128})
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	whole(t, s.Say(quiet, "What is 2 plus 3?"))
	if err := s.Reset(); err != nil || len(s.Tokens()) != 0 || len(s.Messages()) != 0 {
		t.Fatal(err)
	}
	ids := m.Tokenizer().Encode("Once upon a", tokenizerOptions)
	rows, err := s.Feed(ids)
	if err != nil || len(rows) != len(ids) || len(rows[0]) != m.Config().Vocab {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	best := 0
	for i, v := range rows[len(rows)-1] {
		if v > rows[len(rows)-1][best] {
			best = i
		}
	}
	if got := m.Tokenizer().Decode([]int32{int32(best)}, true); got != " time" {
		t.Errorf("behind Once upon a comes %q", got)
	}
	if !slices.Equal(s.Tokens(), ids) {
		t.Errorf("%v, fed %v", s.Tokens(), ids)
	}
	if r := whole(t, s.Say(quiet, "What is 2 plus 3?")); r.Text != "2 + 3 = 5." || r.Stats.ReusedTokens != 0 {
		t.Errorf("a chat behind fed tokens: %+v", r)
	}
	if _, err := s.Feed(make([]int32, 200)); !errors.Is(err, llm.ErrContext) {
		t.Error(err)
	}
	if _, err := s.Feed([]int32{-1}); err == nil || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
}

// Errors are told apart by what they are about, and name no flag.
func TestErrors(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	checkpoint := testutil.Data("fixtures", "llama")
	for name, c := range map[string]struct {
		model string
		o     llm.Options
		want  error
	}{
		"no model":        {"nowhere", llm.Options{}, llm.ErrNotFound},
		"no file":         {"nowhere/model.bin", llm.Options{}, fs.ErrNotExist},
		"checkpoint":      {checkpoint, llm.Options{}, llm.ErrCheckpoint},
		"folder":          {folder, llm.Options{}, llm.ErrCheckpoint},
		"safetensors":     {filepath.Join(checkpoint, "model.safetensors"), llm.Options{}, llm.ErrCheckpoint},
		"backend":         {"", llm.Options{Backend: "abacus"}, llm.ErrBackend},
		"instruction set": {"", llm.Options{Backend: "cpu", ISA: "z80"}, llm.ErrISA},
		"KV":              {"", llm.Options{Backend: "cpu", KV: "q4_0"}, llm.ErrKV},
		"memory":          {"", llm.Options{Backend: "cpu", Context: 1 << 40}, llm.ErrMemory},
		"draft":           {"", llm.Options{Backend: "cpu", Draft: "nowhere"}, llm.ErrDraft},
		"draft's name":    {"", llm.Options{Backend: "cpu", Draft: "lookup,nowhere"}, llm.ErrNotFound},
		"other draft":     {"", llm.Options{Backend: "cpu", Draft: model(t, "llama")}, llm.ErrDraft},
		"parameter":       {"", llm.Options{Backend: "cpu", Set: func(s *llm.Settings) { s.Stop = []string{""} }}, llm.ErrParam},
		"temperature":     {"", llm.Options{Backend: "cpu", Set: func(s *llm.Settings) { s.Sampling.Temp = -1 }}, llm.ErrParam},
		"text":            {write("notes", "some text"), llm.Options{}, nil},
		"prompt cache":    {"", llm.Options{Backend: "cpu", PromptCache: write("file", "")}, nil},
	} {
		m, err := llm.Open(c.model, c.o)
		if err == nil {
			m.Close()
			t.Errorf("%s: it opens", name)
			continue
		}
		if c.want != nil && !errors.Is(err, c.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "--") {
			t.Errorf("%s: %v", name, err)
		}
	}
	var memory *llm.MemoryError
	if _, err := llm.Open("", llm.Options{Backend: "cpu", Context: 1 << 30}); !errors.As(err, &memory) || memory.Fits == 0 || memory.Need <= memory.Usable {
		t.Errorf("%+v, %v", memory, err)
	}
	m := open(t, "", llm.Options{Context: 32})
	for _, err := range m.Chat(quiet, llm.User(strings.Repeat("honey ", 60))) {
		if !errors.Is(err, llm.ErrContext) || strings.Contains(err.Error(), "--") {
			t.Error(err)
		}
	}
	m = open(t, model(t, "pure-mamba1"), llm.Options{Context: 32})
	if err := m.CanChat(); !errors.Is(err, llm.ErrNoTemplate) || strings.Contains(err.Error(), "--") {
		t.Error(err)
	}
	for _, err := range m.Chat(quiet, llm.User("x")) {
		if !errors.Is(err, llm.ErrNoTemplate) {
			t.Error(err)
		}
	}
}

// A model is found by its short name too.
func TestShortName(t *testing.T) {
	folder := t.TempDir()
	b, err := os.ReadFile(model(t, "llama"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "tiny.bin"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, "tiny", llm.Options{Models: folder, Context: 64})
	if m.File().Name() != filepath.Join(folder, "tiny.bin") {
		t.Error(m.File().Name())
	}
	var name *llm.NameError
	if _, err := llm.Find("tinny", folder); !errors.As(err, &name) || name.Near != "tiny" {
		t.Error(err)
	}
	if path, err := llm.Find("demo", folder); path != "" || err != nil {
		t.Error(path, err)
	}
}

// A session that goes on otherwise than asked is a warning.
func TestWarnings(t *testing.T) {
	var said []error
	open(t, "", llm.Options{Context: 9000, Warn: func(err error) { said = append(said, err) }})
	var declared *llm.DeclaredError
	if len(said) != 1 || !errors.As(said[0], &declared) || declared.Declared != 8192 {
		t.Errorf("%v", said)
	}
}
