package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/batch"
	"github.com/mil-run/mil/convert"
	"github.com/mil-run/mil/internal/eval"
	"github.com/mil-run/mil/internal/nearest"
)

// usageError is a command line that makes no sense, whatever the files contain.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// usage marks an error as one of usage. nil stays nil.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

func usagef(format string, args ...any) error { return usage(fmt.Errorf(format, args...)) }

// Exit statuses of mil batch.
const (
	statusFailures = 3  // all requests were answered, some by failures
	statusAgain    = 75 // SIGTERM came; EX_TEMPFAIL, which schedulers can be told to start again
)

// Status is the exit status of an error of [Execute]: 2 for a command line that
// makes no sense, 128 and the signal's number where one ended the command (130
// for Ctrl-C), those of mil batch, otherwise 1.
func Status(err error) int {
	var u usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &u):
		return 2
	case errors.Is(err, batch.ErrFailures):
		return statusFailures
	case errors.Is(err, batch.ErrStopped):
		if s, ok := stopped.Load().(syscall.Signal); ok && s != syscall.SIGTERM {
			return 128 + int(s)
		}
		return statusAgain
	case errors.Is(err, context.Canceled), errors.Is(err, eval.ErrInterrupted), errors.Is(err, convert.ErrInterrupted):
		if s, ok := stopped.Load().(syscall.Signal); ok {
			return 128 + int(s)
		}
	}
	return 1
}

// exactly demands exactly the named positional arguments.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return usagef("%s takes %s, not %s; see %s --help", c.CommandPath(), strings.Join(names, " and "), arguments(len(args)), c.CommandPath())
	}
}

// atMost allows the named positional arguments and no more.
func atMost(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) <= len(names):
			return nil
		case len(names) == 0:
			return usagef("%s takes no argument, and %q is one; see %s --help", c.CommandPath(), args[0], c.CommandPath())
		}
		return usagef("%s takes %s at most, not %s; see %s --help", c.CommandPath(), strings.Join(names, " and "), arguments(len(args)), c.CommandPath())
	}
}

// atLeastOne demands one positional argument or more.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return usagef("%s takes %s, one or more; see %s --help", c.CommandPath(), name, c.CommandPath())
	}
}

func arguments(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

// unknownCommand is the error for an argument that stands in a command's place
// and names none.
func unknownCommand(parent *cobra.Command, name string) error {
	return usagef("unknown command %q%s (%s --help lists the commands)", name, didYouMean(nearest.Of(name, commandNames(parent))), parent.CommandPath())
}

// didYouMean is a question that suggests a word, for the end of a sentence. It
// is "" where there is none.
func didYouMean(word string) string {
	if word == "" {
		return ""
	}
	return "; did you mean " + word + "?"
}

// flagError says in plain words what is wrong with a flag.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown):
		return unknownFlag(c, unknown)
	case errors.As(err, &missing):
		return usagef("--%s needs a value; see %s --help", missing.GetFlag().Name, c.CommandPath())
	case errors.As(err, &syntax):
		return usagef("%q is no flag; text that begins with a dash goes behind --", syntax.GetSpecifiedFlag())
	case !errors.As(err, &invalid):
		return usage(err)
	}
	f, value := invalid.GetFlag(), invalid.GetValue()
	if value == "" || strings.ContainsAny(value, " \n\t") {
		value = fmt.Sprintf("%q", value)
	}
	if f.Value.Type() == "bool" {
		return usagef("--%s %s is neither true nor false", f.Name, value)
	}
	return usagef("--%s %s is %w", f.Name, value, invalid.Unwrap())
}

func unknownFlag(c *cobra.Command, e *pflag.NotExistError) error {
	if group := e.GetSpecifiedShortnames(); group != "" {
		return usagef("unknown flag: -%s in -%s; text that begins with a dash goes behind -- (see %s --help)", e.GetSpecifiedName(), group, c.CommandPath())
	}
	name := e.GetSpecifiedName()
	if !c.HasParent() {
		return usagef("unknown flag: --%s; the flags of a command go behind its name, as in mil run --%s (see mil --help)", name, name)
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	near := nearest.Of(name, names)
	if near != "" {
		near = "--" + near
	}
	return usagef("unknown flag: --%s%s (see %s --help)", name, didYouMean(near), c.CommandPath())
}

// strict makes every mistake in a command line an error of usage, in plain
// words.
func strict(root *cobra.Command, args []string) {
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c == root && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			return unknownCommand(root, args[0]) // whose flags cannot be known
		}
		return flagError(c, err)
	})
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return requireFlags(c) }
	root.InitDefaultCompletionCmd(args...)
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasSubCommands() && !c.Runnable() {
			c.RunE = func(c *cobra.Command, args []string) error {
				if len(args) > 0 {
					return unknownCommand(c, args[0])
				}
				return c.Help()
			}
		}
		if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error { return usage(check(c, args)) }
		}
		for _, kid := range c.Commands() {
			walk(kid)
		}
	}
	walk(root)
}

// requireFlags demands the flags that a command cannot do without.
func requireFlags(c *cobra.Command) error {
	var missing []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if slices.Equal(f.Annotations[cobra.BashCompOneRequiredFlag], []string{"true"}) && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
	})
	if missing == nil {
		return nil
	}
	return usagef("%s needs %s; see %s --help", c.CommandPath(), strings.Join(missing, " and "), c.CommandPath())
}

// helpCommand is `mil help`, which knows when there is nothing to help with.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Help about a command",
		ValidArgsFunction: func(_ *cobra.Command, _ []string, toComplete string) ([]string, cobra.ShellCompDirective) {
			return beginning(commandNames(root), toComplete), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return unknownCommand(root, strings.Join(args, " "))
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	}
}

func commandNames(root *cobra.Command) (names []string) {
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}
