// Package repl is the interactive chat: it reads lines from a terminal or a
// pipe, runs commands, and prints replies as they are made.
package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/session"
)

// Options of a chat.
type Options struct {
	In  *os.File
	Out io.Writer
	Err io.Writer
	// Terminal says that somebody types and looks: prompts, notices and line
	// editing. Without it nothing but replies is printed to Out.
	Terminal bool
	Greeting string // shown first on a terminal
	Stats    bool   // print statistics after each reply
	First    string // the first message, if it was given on the command line
}

// repl is one running chat.
type repl struct {
	Options
	c     *chat.Conversation
	store store
	last  chat.Stats
	total chat.Stats
	lines lineReader

	progress Progress
	unkept   error // why the session file lacks what was said last
}

// errQuit ends the chat.
var errQuit = errors.New("quit")

// Run chats until the input ends or somebody quits. On a terminal errors are
// shown and the chat goes on; in a pipe the first one ends it.
func Run(c *chat.Conversation, o Options) error {
	r := &repl{Options: o, c: c, store: newStore()}
	if o.Terminal {
		r.progress = Progress{Out: o.Out}
		c.Progress = r.progress.Report
	}
	var err error
	if o.Terminal {
		fmt.Fprintln(o.Out, o.Greeting)
		r.lines, err = newTerminal(o.In, r.store.history())
	} else {
		r.lines = newPipe(o.In)
	}
	if err != nil {
		return err
	}
	defer r.lines.Close()
	if o.First != "" {
		if err := r.handle(o.First, false); err != nil {
			return r.ending(err)
		}
	}
	for {
		text, command, err := r.read()
		switch {
		case errors.Is(err, io.EOF):
			return r.ending(errQuit)
		case errors.Is(err, errInterrupt):
			r.notice("Ctrl-D or /quit leaves")
			continue
		case err != nil:
			return err
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		if err := r.handle(text, command); err != nil {
			return r.ending(err)
		}
	}
}

// ending is the error that a chat ends with.
func (r *repl) ending(err error) error {
	if errors.Is(err, errQuit) {
		return r.unkept
	}
	return err
}

// sync keeps the chat in its session file, where it has one.
func (r *repl) sync() error {
	r.unkept = r.c.Sync()
	if r.Terminal && errors.Is(r.unkept, session.ErrLost) {
		return fmt.Errorf("%w; /save NAME keeps all of the chat", r.unkept)
	}
	return r.unkept
}

// handle runs one command or message. Its error ends the chat.
func (r *repl) handle(text string, command bool) error {
	var err error
	if command {
		err = r.command(strings.TrimSpace(text))
	} else {
		err = r.answer(func(ctx context.Context, emit func(string)) (chat.Reply, error) { return r.c.Say(ctx, text, emit) })
	}
	if err == nil || errors.Is(err, errQuit) || !r.Terminal {
		return err
	}
	fmt.Fprintln(r.Err, "mil:", Line(err))
	return nil
}

// answer prints one reply; an interrupt ends the reply and not the chat.
func (r *repl) answer(reply func(ctx context.Context, emit func(string)) (chat.Reply, error)) error {
	ctx := context.Background()
	if r.Terminal {
		var stop func()
		ctx, stop = signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
	}
	var broken error
	begun := false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	got, err := reply(ctx, func(text string) {
		if r.Terminal {
			text = Visible(text)
		}
		begun = true
		if _, err := io.WriteString(r.Out, text); err != nil && broken == nil {
			broken = err
			cancel() // nobody reads any more
		}
	})
	r.progress.Report(0, 0)
	if err != nil && begun && r.Terminal {
		fmt.Fprintln(r.Out) // the error gets a line of its own
	}
	switch {
	case broken != nil:
		return broken
	case errors.Is(err, context.Canceled):
		r.notice("stopped; your message was taken back")
		return nil
	case err != nil:
		return err
	}
	if _, err := io.WriteString(r.Out, "\n"); err != nil {
		return err
	}
	switch got.Why {
	case chat.Interrupted:
		r.notice("stopped")
	case chat.ContextFull:
		r.notice("the context is full; /reset begins anew, and mil chat --on-full slide drops what is oldest")
	case chat.MaxTokens:
		r.notice("cut at the token limit; /set max-tokens 0 takes it away")
	}
	r.last = got.Stats
	r.total.PromptTokens += got.Stats.PromptTokens
	r.total.PromptTime += got.Stats.PromptTime
	r.total.GeneratedTokens += got.Stats.GeneratedTokens
	r.total.GenerationTime += got.Stats.GenerationTime
	if r.Stats {
		fmt.Fprintln(r.Err, got.Stats)
	}
	return r.sync()
}

// notice is for somebody who looks.
func (r *repl) notice(text string) {
	if r.Terminal {
		fmt.Fprintf(r.Out, "\033[2m[%s]\033[0m\n", Visible(text))
	}
}

// Line is an error's text as one line, safe for a terminal: it may quote files
// and arguments.
func Line(err error) string {
	return Visible(strings.NewReplacer("\n", "; ", "\t", " ").Replace(err.Error()))
}

// Visible makes text safe for a terminal: control characters, with which a
// model or a file could move the cursor or change its title, become marks.
func Visible(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x7f && c < 0xa0 {
			return '\uFFFD'
		}
		return c
	}, text)
}
