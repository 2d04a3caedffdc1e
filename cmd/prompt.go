package cmd

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/repl"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
)

// promptFlags choose the source of a prompt.
type promptFlags struct {
	prompt   string
	file     string
	messages string
	noStdin  bool
}

func (f *promptFlags) add(set *pflag.FlagSet) {
	addText(set, &f.prompt, "prompt", "p", "TEXT", "the prompt, instead of the argument")
	addText(set, &f.file, "file", "f", "FILE", "file whose text follows the prompt; - is standard input")
	addText(set, &f.messages, "messages", "", "FILE", "JSON file with a list of {\"role\", \"content\"} to answer; - is standard input")
	set.BoolVar(&f.noStdin, "no-stdin", false, "do not read standard input, so that another command can")
}

// split separates model and prompt. Of two arguments the first is the model,
// and so is a lone argument where a flag brings the prompt. name is "" where no
// model is named.
func (f *promptFlags) split(c *cobra.Command, flag string, args []string) (name, prompt string, err error) {
	name, rest := flag, args
	switch {
	case c.Flags().Changed("model"):
		if name == "" {
			return "", "", usagef("--model needs a name")
		}
	case len(args) > 1, len(args) == 1 && (c.Flags().Changed("prompt") || f.file != "" || mayBeModel(c, args[0])):
		if name, rest = args[0], args[1:]; name == "" {
			return "", "", usagef("the first argument is the model's name, and it is empty; see %s --help", c.CommandPath())
		}
	}
	prompt = strings.Join(rest, " ")
	if c.Flags().Changed("prompt") {
		if len(rest) > 0 {
			return "", "", usagef("the prompt is given twice: with --prompt, and as the argument %q", rest[0])
		}
		prompt = f.prompt
	}
	return name, prompt, nil
}

// read gives the messages to answer: the list of --messages, then one message
// of the user's with the prompt, the text of --file and that of the pipe. No
// source may be over limit bytes.
func (f *promptFlags) read(in io.Reader, prompt string, limit promptLimit) (list []chat.Message, err error) {
	if f.messages != "" {
		if list, err = f.readMessages(in, limit); err != nil {
			return nil, err
		}
	}
	parts := []string{prompt}
	if f.file != "" && f.file != "-" {
		b, err := bounded.File(f.file, limit.bytes)
		if err != nil {
			return nil, limit.explain(err)
		}
		parts = append(parts, oneEnd(b))
	}
	if !f.noStdin && f.messages == "" && !isTerminal(in) || f.file == "-" {
		b, err := bounded.Read(in, limit.bytes)
		if err != nil {
			return nil, fmt.Errorf("reading the prompt: %w", limit.explain(err))
		}
		parts = append(parts, oneEnd(b))
	}
	text := ""
	for _, p := range parts {
		if text != "" && p != "" {
			text += "\n"
		}
		text += p
	}
	if text != "" {
		list = append(list, chat.Message{Role: "user", Content: text})
	}
	if len(list) == 0 {
		return nil, usagef("there is no prompt; give one as an argument or through a pipe (see mil run --help)")
	}
	return list, nil
}

func (f *promptFlags) readMessages(in io.Reader, limit promptLimit) ([]chat.Message, error) {
	name := f.messages
	var b []byte
	var err error
	limit.bytes = min(16*limit.bytes, maxPrompt) // JSON is longer than its texts
	if name == "-" {
		name = "standard input"
		if b, err = bounded.Read(in, limit.bytes); err != nil {
			return nil, fmt.Errorf("%s: %w", name, limit.explain(err))
		}
	} else if b, err = bounded.File(name, limit.bytes); err != nil {
		return nil, limit.explain(err)
	}
	list, err := repl.ParseMessages(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return list, nil
}

// oneEnd is a text without its last line end, which files and pipes add.
func oneEnd(b []byte) string {
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
}

// Bounds of a prompt, in bytes. A prompt of minPrompt is read whatever the
// context. maxPrompt is more than a context of millions of tokens holds of a
// language.
const (
	minPrompt = 1 << 20
	maxPrompt = 16 << 20
)

// promptLimit is more bytes than a context can hold.
type promptLimit struct {
	bytes  int64
	tokens int // of the context; 0 where it does not count
}

// promptLimit follows from the context and the longest token. A context that slides
// takes any prompt.
func (f *chatFlags) promptLimit(m *llm.Model) promptLimit {
	if f.onFull == "slide" {
		return promptLimit{bytes: maxPrompt}
	}
	tokens := f.context
	if tokens == 0 {
		tokens = min(m.Config().Context, model.DefaultContext)
	}
	n := int64(tokens) * int64(max(1, m.Tokenizer().Longest()))
	return promptLimit{min(max(n, minPrompt), maxPrompt), tokens}
}

// explain adds the reason for the limit to the error about a text over it.
func (l promptLimit) explain(err error) error {
	if !errors.Is(err, bounded.ErrLong) {
		return err
	}
	if l.tokens > 0 && l.bytes < maxPrompt {
		return fmt.Errorf("%w, more than a context of %d tokens takes (--ctx)", err, l.tokens)
	}
	return fmt.Errorf("%w, the longest prompt that mil takes", err)
}

// readPrompt joins the argument and the pipe's text. A terminal is not read.
func readPrompt(arg string, in io.Reader) (string, error) {
	if isTerminal(in) {
		return arg, nil
	}
	b, err := bounded.Read(in, maxPrompt)
	if err != nil {
		return "", fmt.Errorf("reading the text: %w", err)
	}
	switch piped := oneEnd(b); {
	case piped == "":
		return arg, nil
	case arg == "":
		return piped, nil
	default:
		return arg + "\n" + piped, nil
	}
}
