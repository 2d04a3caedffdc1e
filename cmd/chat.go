package cmd

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/chat/repl"
	"github.com/mil-run/mil/demo"
)

func chatCommand() *cobra.Command {
	var f chatFlags
	c := &cobra.Command{
		Use:   "chat [MODEL] [MESSAGE]",
		Short: "Talk with a model",
		Long: `Talk with a model in the terminal; /help lists the commands there.
Without MODEL the demo inside mil answers. In a pipe every line is a message
(or a command), and only the replies are printed.`,
		Example: `  mil chat
  mil chat model.bin --system "Answer briefly."
  echo 'What is 2 plus 3?' | mil chat --temp 0`,
		RunE: func(c *cobra.Command, args []string) error {
			path, rest := splitModel(args)
			t, err := f.open(c, path)
			if err != nil {
				return err
			}
			defer t.close()
			if err := t.engine.CanChat(); err != nil {
				return fmt.Errorf("%s: %w", t.file.Name(), err)
			}
			in, ok := c.InOrStdin().(*os.File)
			if !ok {
				return fmt.Errorf("chat needs a file or terminal as its input")
			}
			conv := t.engine.Converse(t.session, t.Settings)
			conv.System(f.system)
			cfg := t.engine.Model.Config
			name := cfg.Name
			if path == "" {
				name = demo.Name
			}
			greeting := fmt.Sprintf("%s: %d layers, %d of them attention, context %d. /help lists commands, Ctrl-D leaves.",
				repl.Visible(name), cfg.Layers, len(cfg.AttentionLayers()), t.session.Context())
			return repl.Run(conv, repl.Options{In: in, Out: c.OutOrStdout(), Err: c.ErrOrStderr(), Stats: f.stats,
				Terminal: isTerminal(in) && isTerminal(c.OutOrStdout()), Greeting: greeting, First: strings.Join(rest, " ")})
		},
	}
	f.add(c.Flags())
	return c
}
