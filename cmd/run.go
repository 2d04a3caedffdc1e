package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/chat/repl"
)

func runCommand() *cobra.Command {
	var f chatFlags
	var raw bool
	var messages string
	c := &cobra.Command{
		Use:   "run [MODEL] [PROMPT]",
		Short: "Print one reply",
		Long: `Print one reply to a prompt and nothing else. The prompt is the argument, what
comes through a pipe, or both: then the pipe's text follows the argument's.
Without MODEL the demo inside mil answers.`,
		Example: `  mil run "Tell me a tale about a fox."
  cat notes.txt | mil run model.bin "Summarise:"
  mil run model.bin --raw --temp 0 "Once upon a time"
  mil run model.bin --messages chat.json
  (cat book.txt; echo "Who is Ann?") | mil run model.bin --prompt-cache ~/.cache/mil`,
		RunE: func(c *cobra.Command, args []string) error {
			path, rest := splitModel(args)
			in := c.InOrStdin()
			if raw && f.system != "" {
				return errors.New("--system and --raw exclude each other")
			}
			if messages != "" {
				in = strings.NewReader("")
				if raw {
					return errors.New("--messages and --raw exclude each other")
				}
			}
			prompt, err := readPrompt(strings.Join(rest, " "), in)
			if err != nil {
				return err
			}
			if prompt == "" && messages == "" {
				return errors.New("there is no prompt; give one as an argument or through a pipe (see mil run --help)")
			}
			var list []chat.Message
			if messages != "" {
				if list, err = repl.ReadMessages(messages); err != nil {
					return err
				}
			}
			if prompt != "" {
				list = append(list, chat.Message{Role: "user", Content: prompt})
			}
			t, err := f.open(c, path)
			if err != nil {
				return err
			}
			defer t.close()
			r, err := reply(c, t, f.system, list, raw)
			if err != nil {
				return err
			}
			if _, err := io.WriteString(c.OutOrStdout(), "\n"); err != nil {
				return err
			}
			if f.stats {
				fmt.Fprintln(c.ErrOrStderr(), r.Stats)
			}
			return nil
		},
	}
	f.add(c.Flags())
	c.Flags().BoolVar(&raw, "raw", false, "complete the text as it stands, without the chat template")
	c.Flags().StringVar(&messages, "messages", "", "JSON file with a list of {\"role\", \"content\"} to answer")
	return c
}

// reply makes the one reply and prints it as it comes.
func reply(c *cobra.Command, t *talker, system string, list []chat.Message, raw bool) (chat.Reply, error) {
	out := c.OutOrStdout()
	terminal := isTerminal(out)
	var broken error
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	emit := func(text string) {
		if terminal {
			text = repl.Visible(text)
		}
		if _, err := io.WriteString(out, text); err != nil {
			broken = err
			cancel()
		}
	}
	var progress func(done, total int)
	if errs := c.ErrOrStderr(); isTerminal(errs) {
		progress = (&repl.Progress{Out: errs}).Report
	}
	var r chat.Reply
	var err error
	if raw {
		r, err = t.engine.Complete(ctx, t.session, list[0].Content, t.Settings, progress, emit)
	} else {
		conv := t.engine.Converse(t.session, t.Settings)
		conv.Progress = progress
		conv.Load(list)
		if system != "" {
			conv.System(system)
		}
		r, err = conv.Reply(ctx, emit)
	}
	if broken != nil {
		return r, broken
	}
	return r, err
}

// maxPrompt bounds what is read from a pipe.
const maxPrompt = 64 << 20

// readPrompt joins the argument and the pipe's text. A terminal is not read.
func readPrompt(arg string, in io.Reader) (string, error) {
	if isTerminal(in) {
		return arg, nil
	}
	b, err := io.ReadAll(io.LimitReader(in, maxPrompt+1))
	if err != nil {
		return "", fmt.Errorf("reading the prompt: %w", err)
	}
	if len(b) > maxPrompt {
		return "", fmt.Errorf("the prompt is over %d MB long", maxPrompt>>20)
	}
	piped := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case piped == "":
		return arg, nil
	case arg == "":
		return piped, nil
	}
	return arg + "\n" + piped, nil
}
