package llm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/tokenizer"
)

// must stands for the errors that a program handles.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func Example() {
	m := must(llm.Open("", llm.Options{})) // the demo inside the binary
	defer m.Close()
	for piece, err := range m.Chat(context.Background(), llm.User("What is 2 plus 3?"), llm.Greedy) {
		if err != nil {
			panic(err)
		}
		fmt.Print(piece.Text)
	}
	// Output: 2 + 3 = 5.
}

// The options are those of the command's flags.
func ExampleOpen() {
	m, err := llm.Open("demo", llm.Options{
		Backend: "cpu",
		Context: 512,
		Draft:   "lookup", // speculative decoding from the conversation itself
		Set:     llm.Greedy,
	})
	if err != nil {
		panic(err)
	}
	defer m.Close()
	fmt.Println(m.Config().Arch, m.Settings().Sampling.Temp)
	// Output: mambainllama 0
}

// Errors are told apart by what they are about.
func ExampleOpen_errors() {
	_, err := llm.Open("no-such-model", llm.Options{Models: os.TempDir()})
	fmt.Println(errors.Is(err, llm.ErrNotFound))
	_, err = llm.Open("", llm.Options{Backend: "cpu", Context: 1 << 30})
	var memory *llm.MemoryError
	if errors.As(err, &memory) {
		fmt.Println("a shorter context fits:", memory.Fits > 0)
	}
	// Output:
	// true
	// a shorter context fits: true
}

// The last piece of a reply says why it ended, and counts the work.
func ExampleModel_Chat() {
	m := must(llm.Open("", llm.Options{Context: 512}))
	defer m.Close()
	messages := []llm.Message{
		{Role: "user", Content: "My name is Opal."},
		{Role: "assistant", Content: "Nice to meet you, Opal!"},
		{Role: "user", Content: "What is my name?"},
	}
	for piece, err := range m.Chat(context.Background(), messages, llm.Greedy) {
		if err != nil {
			panic(err)
		}
		if r := piece.Reply; r != nil {
			fmt.Println(r.Text, r.Why.Finish(), r.Stats.PromptTokens, r.Stats.GeneratedTokens)
		}
	}
	// Output: Your name is Opal. stop 37 6
}

// The end of a context stops a reply, and so does leaving the loop.
func ExampleModel_Chat_cancel() {
	m := must(llm.Open("", llm.Options{Context: 512}))
	defer m.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for piece, err := range m.Chat(ctx, llm.User("Tell me a story."), llm.Greedy) {
		if err != nil {
			fmt.Println("stopped:", errors.Is(err, context.Canceled))
			break
		}
		fmt.Println(piece.Text)
		cancel()
	}
	// Output:
	// Once
	// stopped: true
}

// Several goroutines may use a model.
func ExampleModel_Chat_concurrent() {
	m := must(llm.Open("", llm.Options{Context: 256}))
	defer m.Close()
	answers := make([]string, 3)
	var wait sync.WaitGroup
	for i := range answers {
		wait.Go(func() {
			question := llm.User(fmt.Sprintf("What is %d plus 3?", i+1))
			for piece, err := range m.Chat(context.Background(), question, llm.Greedy) {
				if err != nil {
					panic(err)
				}
				answers[i] += piece.Text
			}
		})
	}
	wait.Wait()
	fmt.Println(strings.Join(answers, "\n"))
	// Output:
	// 1 + 3 = 4.
	// 2 + 3 = 5.
	// 3 + 3 = 6.
}

// Generate goes on with a text, without the chat template.
func ExampleModel_Generate() {
	m := must(llm.Open("", llm.Options{Context: 256, Set: llm.Greedy}))
	defer m.Close()
	short := func(s *llm.Settings) { s.MaxTokens = 3 }
	for piece, err := range m.Generate(context.Background(), "Once upon", short) {
		if err != nil {
			panic(err)
		}
		fmt.Print(piece.Text)
	}
	// Output: a time there
}

// A session keeps a conversation, and reads only what is new.
func ExampleSession_Say() {
	m := must(llm.Open("", llm.Options{Context: 512, Set: llm.Greedy}))
	defer m.Close()
	s := must(m.NewSession())
	defer s.Close()
	for _, text := range []string{"My name is Opal.", "What is my name?"} {
		for piece, err := range s.Say(context.Background(), text) {
			if err != nil {
				panic(err)
			}
			fmt.Print(piece.Text)
		}
		fmt.Println()
	}
	// Output:
	// Nice to meet you, Opal!
	// Your name is Opal.
}

// A saved session goes on later, in another program too.
func ExampleSession_Save() {
	m := must(llm.Open("", llm.Options{Context: 512, Set: llm.Greedy}))
	defer m.Close()
	dir := must(os.MkdirTemp("", "talk"))
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "opal.session")

	s := must(m.NewSession())
	for _, err := range s.Say(context.Background(), "My name is Opal.") {
		if err != nil {
			panic(err)
		}
	}
	if err := errors.Join(s.Save(path), s.Close()); err != nil {
		panic(err)
	}

	s = must(m.NewSession())
	defer s.Close()
	found := must(s.Load(path))
	fmt.Println(len(found.Messages), "messages")
	for piece, err := range s.Say(context.Background(), "What is my name?") {
		if err != nil {
			panic(err)
		}
		fmt.Print(piece.Text)
	}
	// Output:
	// 2 messages
	// Your name is Opal.
}

// Tokens go in, and logits come out.
func ExampleSession_Feed() {
	m := must(llm.Open("", llm.Options{Context: 64}))
	defer m.Close()
	s := must(m.NewSession())
	defer s.Close()
	ids := m.Tokenizer().Encode("Once upon a", tokenizer.EncodeOptions{AddSpecial: true})
	rows := must(s.Feed(ids))
	last, best := rows[len(rows)-1], 0
	for id, logit := range last {
		if logit > last[best] {
			best = id
		}
	}
	fmt.Printf("%q\n", m.Tokenizer().Piece(int32(best)))
	// Output: " time"
}

// Two models may share a machine: its threads or its GPU, and its memory.
func ExampleMachine() {
	mc := llm.NewMachine(llm.Options{Backend: "cpu"})
	defer mc.Close()
	for _, context := range []int{64, 128} {
		m := must(mc.Open("demo", llm.Options{Context: context}))
		s := must(m.NewSession())
		fmt.Println(s.Timeline().Context())
		s.Close()
		m.Close()
	}
	// Output:
	// 64
	// 128
}
