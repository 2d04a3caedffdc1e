package cmd

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/demo"
	"github.com/mil-run/mil/internal/repl"
	"github.com/mil-run/mil/internal/show"
)

func chatCommand() *cobra.Command {
	var f chatFlags
	var file string
	c := &cobra.Command{
		Use:   "chat [MODEL] [MESSAGE]",
		Short: "Talk with a model",
		Long: `Talk with a model in the terminal. /help lists the commands there.
Without MODEL the demo inside mil answers. The first argument is always a model:
a file, or the name of a model that mil list shows. In a pipe every line is a
message (or a command), and only the replies are printed.`,
		Example: `  mil chat
  mil chat m1-3b
  mil chat model.bin --system "Answer briefly."
  mil chat model.bin --session talk.session
  echo 'What is 2 plus 3?' | mil chat --temp 0`,
		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, ok := c.InOrStdin().(*os.File)
			if !ok {
				return errors.New("chat needs a file or terminal as its input")
			}
			name, rest := f.model, args
			if !c.Flags().Changed("model") && len(args) > 0 {
				name, rest = args[0], args[1:]
			}
			path, err := "", error(nil)
			if len(args) > 0 || c.Flags().Changed("model") {
				if path, err = findModel(c, name); err != nil {
					return err
				}
			}
			t, err := f.prepare(c, path)
			if err != nil {
				return err
			}
			defer t.close()
			if err := f.begin(t); err != nil {
				return err
			}
			if err := t.model.CanChat(); err != nil {
				return err
			}
			conv := t.conversation()
			found := "" // the file's content and, behind a semicolon, its oddities
			if file != "" {
				if found, err = f.attach(c, conv, file); err != nil {
					return err
				}
			}
			if f.system != "" || found == "" {
				conv.System(f.system)
			}
			cfg := t.model.Config()
			title := cfg.Name
			if path == "" {
				title = demo.Name
			}
			greeting := show.Sprintf("%s: %d layers, %d of them attention, context %d. /help lists commands, Ctrl-D leaves.",
				title, cfg.Depth, len(cfg.AttentionLayers()), t.session.Timeline().Context())
			if found != "" {
				greeting += "\n" + show.Sprintf("%s: %s.", file, found)
			}
			terminal := isTerminal(in) && isTerminal(c.OutOrStdout())
			if strings.Contains(found, ";") && !terminal {
				show.Fprintf(c.ErrOrStderr(), "mil: %s: %s\n", file, found)
			}
			return repl.Run(conv, repl.Options{In: in, Out: c.OutOrStdout(), Err: c.ErrOrStderr(), Stats: f.stats, Terminal: terminal, Advise: advise,
				Greeting: greeting, First: strings.Join(rest, " ")})
		},
	}
	f.add(c.Flags())
	addText(c.Flags(), &file, "session", "", "FILE", "file that keeps the chat; the chat goes on where the file ends, and every turn is added to it")
	return c
}

// attach keeps a conversation in a session file and describes the file's
// content. Flags that were given win over the file's sampling settings.
func (f *chatFlags) attach(c *cobra.Command, conv *chat.Conversation, file string) (string, error) {
	flags := conv.Settings()
	found, err := conv.Attach(file)
	if err != nil || found == nil {
		return "", err
	}
	set := conv.Settings()
	again := set
	f.override(c, &again, &flags)
	if !again.Sampling.Equal(set.Sampling) {
		conv.Set(again)
	}
	return repl.Describe(found), nil
}
