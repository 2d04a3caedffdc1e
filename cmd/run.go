package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/repl"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/llm"
)

// runCall is the flags and arguments of run.
type runCall struct {
	chatFlags
	promptFlags
	raw, json bool
}

func runCommand() *cobra.Command {
	var f runCall
	c := &cobra.Command{
		Use:   "run [MODEL] [PROMPT]",
		Short: "Print one reply",
		Long: `Print one reply to a prompt and nothing else.

Of two arguments the first is the model. One argument is a model if a file, a
folder or a model of mil list has that name, if it ends in .bin, .gguf or
.safetensors, or if it is a path without a space. Otherwise it is a prompt, and
the demo inside mil answers. Use -m and -p to be clear.

The prompt is the argument (or -p), then the text of -f, then the text of a pipe.
Inside a loop a command reads the rest of the loop's input. To keep it from that,
use --no-stdin or </dev/null:

  while read -r line; do mil run m1-3b "Translate: $line" </dev/null; done < list

--messages takes a JSON list of messages {"role", "content"} as OpenAI's clients
write them, or an object with the list as "messages"; - reads it from the pipe.

--json prints one object: text, finish_reason (stop or length), tokens (prompt,
cached, generated), times in seconds, and model. Cached tokens are those of the
prompt that were not read again.`,
		Example: `  mil run "Tell me a tale about a fox."
  cat notes.txt | mil run m1-3b "Summarise:"
  mil run -m model.bin -f prompt.txt -n 200 --temp 0
  mil run model.bin --raw "Once upon a time"
  mil run model.bin --messages chat.json --json
  (cat book.txt; echo "Who is Ann?") | mil run model.bin --prompt-cache ~/.cache/mil`,
		ValidArgsFunction: completeModels(1),
		RunE:              f.run,
	}
	f.chatFlags.add(c.Flags())
	f.promptFlags.add(c.Flags())
	c.Flags().BoolVar(&f.raw, "raw", false, "continue the text as it is, without the chat template")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	return c
}

// check refuses flags that contradict each other.
func (f *runCall) check() error {
	switch {
	case f.raw && f.system != "":
		return usagef("--system and --raw exclude each other")
	case f.raw && f.messages != "":
		return usagef("--messages and --raw exclude each other")
	case f.noStdin && (f.messages == "-" || f.file == "-"):
		return usagef("--no-stdin and - exclude each other")
	case f.messages == "-" && f.file == "-":
		return usagef("--messages - and --file - exclude each other: there is one standard input")
	}
	return nil
}

func (f *runCall) run(c *cobra.Command, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	name, prompt, err := f.split(c, f.model, args)
	if err != nil {
		return err
	}
	path := ""
	if name != "" {
		if path, err = findModel(c, name); err != nil {
			return err
		}
	} else if errs := c.ErrOrStderr(); isTerminal(errs) {
		fmt.Fprintln(errs, "mil: no model is named, so the demo inside mil answers; mil list shows the others")
	}
	t, err := f.prepare(c, path)
	if err != nil {
		return err
	}
	defer t.close()
	list, err := f.read(c.InOrStdin(), prompt, f.promptLimit(t.model))
	if err != nil {
		return err
	}
	if err := f.begin(t); err != nil {
		return err
	}
	start := time.Now()
	r, err := f.reply(c, t, list)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	out := c.OutOrStdout()
	switch {
	case f.json && r.Why != "":
		if e := printJSON(out, result(r, t, name, time.Since(start))); e != nil {
			return e
		}
	case !f.json && (err == nil || r.Text != ""):
		if _, e := io.WriteString(out, "\n"); e != nil {
			return e
		}
	}
	if err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	if r.Cut != "" {
		show.Fprintln(c.ErrOrStderr(), "mil: warning:", repl.Cut(r))
	}
	if f.stats {
		show.Fprintln(c.ErrOrStderr(), r.Stats)
	}
	return nil
}

// reply makes the one reply and, without --json, prints it as it comes.
func (f *runCall) reply(c *cobra.Command, t *talker, list []llm.Message) (r llm.Reply, err error) {
	out := c.OutOrStdout()
	terminal := isTerminal(out)
	ctx, stop := interruptible()
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	conv := t.conversation()
	if errs := c.ErrOrStderr(); isTerminal(errs) {
		conv.Progress = (&repl.Progress{Out: errs}).Report
	}
	pieces := t.session.Generate(ctx, list[0].Content)
	if !f.raw {
		conv.Load(list)
		if f.system != "" {
			conv.System(f.system)
		}
		pieces = t.session.Chat(ctx, conv.Messages())
	}
	for piece, e := range pieces {
		err = e
		if piece.Reply != nil {
			r = *piece.Reply
		}
		if f.json || piece.Text == "" {
			continue
		}
		text := piece.Text
		if terminal {
			text = show.Visible(text)
		}
		if _, err := io.WriteString(out, text); err != nil {
			return r, err
		}
	}
	return r, err
}

// runResult is the JSON of --json.
type runResult struct {
	Text         string    `json:"text"`
	FinishReason string    `json:"finish_reason"`
	Tokens       runTokens `json:"tokens"`
	Times        runTimes  `json:"times"`
	Model        string    `json:"model"`
	Cut          string    `json:"cut,omitempty"` // which limit did, and how to move it
	Stats        any       `json:"speculation,omitempty"`
}

// runTokens counts tokens. Cached tokens are those of the prompt that were not
// read again.
type runTokens struct {
	Prompt    int `json:"prompt"`
	Cached    int `json:"cached"`
	Generated int `json:"generated"`
}

// runTimes are seconds since the request.
type runTimes struct {
	Prompt     float64 `json:"prompt"` // to read it
	FirstToken float64 `json:"first_token"`
	Generation float64 `json:"generation"` // of all tokens but the first
	Total      float64 `json:"total"`
}

func result(r llm.Reply, t *talker, name string, total time.Duration) runResult {
	s := r.Stats
	if name == "" {
		name = demo.Name
	}
	o := runResult{Text: r.Text, FinishReason: r.Why.Finish(), Model: name, Cut: repl.Cut(r),
		Tokens: runTokens{s.PromptTokens + s.ReusedTokens, s.ReusedTokens, s.GeneratedTokens},
		Times:  runTimes{s.PromptTime.Seconds(), s.FirstToken.Seconds(), s.GenerationTime.Seconds(), total.Seconds()}}
	if s.Speculation != nil {
		o.Stats = s.Speculation
	}
	o.Text = strings.ToValidUTF8(o.Text, "\uFFFD")
	return o
}
