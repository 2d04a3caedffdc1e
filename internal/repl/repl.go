// Package repl is the interactive chat: it reads lines from a terminal or a
// pipe, runs commands, and prints replies as they are made.
package repl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mil-run/mil/chat"
	gate "github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/session"
)

// Options of a chat.
type Options struct {
	In  *os.File
	Out io.Writer
	Err io.Writer
	// Terminal says that somebody types at a terminal, with prompts, notices
	// and line editing. Otherwise nothing except replies is printed to Out.
	Terminal bool
	Greeting string // shown first on a terminal
	Stats    bool   // print statistics after each reply
	First    string // the first message, if it was given on the command line
	// Advise, if set, adds to an error the flag that helps.
	Advise func(error) error
}

// repl is one running chat.
type repl struct {
	Options
	c     *chat.Conversation
	store store
	last  chat.Stats
	total chat.Stats
	lines lineReader
	term  *terminal // lines, where somebody types; else nil

	progress Progress
	unkept   error // why the session file lacks the last turn
}

// errQuit ends the chat.
var errQuit = errors.New("quit")

// Run chats until the input ends or somebody quits. On a terminal errors are
// shown and the chat goes on. In a pipe the first error ends it.
func Run(c *chat.Conversation, o Options) error {
	r := &repl{Options: o, c: c, store: newStore()}
	if o.Terminal {
		var err error
		if r.term, err = newTerminal(o.In, o.Out, Escapes(), r.store.history()); err != nil {
			return err
		}
		r.lines = r.term
		r.progress = Progress{Out: o.Out, Columns: r.term.text.columns}
		c.Progress = r.progress.Report
		r.print(o.Greeting + "\n")
	} else {
		r.lines = newPipe(o.In)
	}
	defer r.lines.Close()
	if o.First != "" {
		if err := r.handle(input{text: o.First}); err != nil {
			return r.ending(err)
		}
	}
	leaving := false // Ctrl-C was pressed at an empty line
	for {
		in, err := r.read()
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, errLeave) && leaving:
			return r.ending(errQuit)
		case errors.Is(err, errInterrupt):
			leaving = errors.Is(err, errLeave)
			r.notice("Ctrl-C again at an empty line, Ctrl-D or /quit leaves")
			continue
		case err != nil:
			return err
		}
		leaving = false
		if strings.TrimSpace(in.text) == "" {
			continue
		}
		if err := r.handle(in); err != nil {
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

// advise adds the flag that helps.
func (r *repl) advise(err error) error {
	if r.Advise == nil {
		return err
	}
	return r.Advise(err)
}

// Cut says which limit cut a reply and how to move it.
func Cut(r chat.Reply) string {
	switch r.Why {
	case chat.MaxTokens:
		return r.Cut + "; 0 takes the limit away"
	case chat.ContextFull:
		return r.Cut + "; a larger --ctx or --on-full slide goes on"
	}
	return r.Cut
}

// partings leave a chat on a terminal; in a pipe they are messages.
var partings = []string{"exit", "quit", "bye"}

// handle runs one command or message. Its error ends the chat.
func (r *repl) handle(in input) error {
	var err error
	switch {
	case in.command:
		err = r.command(strings.TrimSpace(in.text))
	case r.Terminal && !in.quoted && slices.Contains(partings, strings.ToLower(strings.TrimSpace(in.text))):
		return errQuit
	default:
		err = r.say(in)
	}
	if err == nil || errors.Is(err, errQuit) || !r.Terminal {
		return err
	}
	r.warn(Line(r.advise(err)))
	return nil
}

// say answers a message. One whose reply has not begun when it is interrupted is
// there again to be edited.
func (r *repl) say(in input) error {
	err := r.answer(func(ctx context.Context, emit func(string)) (chat.Reply, error) { return r.c.Say(ctx, in.text, emit) })
	if r.term != nil && errors.Is(err, context.Canceled) {
		r.notice("stopped; your message was taken back")
		r.term.GiveBack(in.text, in.quoted)
		return nil
	}
	return err
}

// answer prints one reply. An interrupt ends the reply and not the chat.
func (r *repl) answer(reply func(ctx context.Context, emit func(string)) (chat.Reply, error)) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if r.term != nil {
		defer r.term.Interruptible(cancel)()
	}
	var broken error
	got, err := reply(ctx, func(text string) {
		r.progress.End()
		if err := r.print(text); err != nil && broken == nil {
			broken = err
			cancel() // nobody reads any more
		}
	})
	r.progress.End()
	switch {
	case broken != nil:
		return broken
	case err != nil:
		return err
	}
	if err := r.print("\n"); err != nil {
		return err
	}
	switch {
	case got.Why == chat.Interrupted:
		r.notice("stopped")
	case got.Cut != "":
		r.warn(Cut(got))
	case got.Why == chat.StopString && r.Terminal:
		r.warn("a stop string ended the reply; /set stop - takes it away")
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

// print writes to Out, on a terminal without control characters and in rows of its
// width.
func (r *repl) print(text string) error {
	if r.term != nil {
		return r.term.text.Write(Visible(text))
	}
	_, err := io.WriteString(r.Out, text)
	return err
}

// warn writes a line to Err.
func (r *repl) warn(line string) {
	if r.term != nil && r.term.text.Begun() {
		r.print("\n")
	}
	fmt.Fprintln(r.Err, "mil:", line)
}

// notice prints a line for somebody at a terminal.
func (r *repl) notice(text string) {
	if r.term != nil {
		if r.term.text.Begun() {
			r.print("\n")
		}
		r.term.notice(text)
	}
}

// Line is an error's text as one short line, safe for a terminal, since it may quote
// files and arguments.
func Line(err error) string { return gate.Line(err) }

// Visible makes text safe for a terminal. Control characters, with which a
// model or a file could move the cursor or change its title, become marks.
func Visible(text string) string { return gate.Visible(text) }
