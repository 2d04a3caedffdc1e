package cmd

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/batch"
	"github.com/mil-run/mil/internal/show"
)

func batchCheckCommand() *cobra.Command {
	var f batchFlags
	c := &cobra.Command{
		Use:   "check IN.jsonl",
		Short: "Say what is wrong with a file of requests",
		Long: `Look at every request of a file as mil batch would, and run none of them. It opens
the models, since prompts are counted in their tokens. The exit status is 1 where
something is wrong.`,
		Example: `  mil batch check in.jsonl --model m1-3b`,
		Args:    exactly("IN.jsonl"),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := f.serving(c)
			if err != nil {
				return err
			}
			ctx, stop := interruptible()
			defer stop()
			bad := 0
			total, err := batch.Check(ctx, args[0], s.Open, func(p batch.Problem) {
				bad++
				if f.json {
					data, _ := json.Marshal(p) // nothing in it can fail
					_, _ = c.OutOrStdout().Write(append(show.JSON(data), '\n'))
					return
				}
				name := ""
				if p.CustomID != "" {
					name = p.CustomID + ": "
				}
				show.Fprintf(c.OutOrStdout(), "line %d: %s%s\n", p.Line, name, p.Message)
			})
			switch {
			case err != nil:
				return err
			case bad > 0:
				return fmt.Errorf("%s: %d of %d requests are wrong", args[0], bad, total)
			}
			if !f.json {
				show.Fprintf(c.OutOrStdout(), "%d requests, nothing is wrong\n", total)
			}
			return nil
		},
	}
	f.addServing(c)
	c.Flags().BoolVar(&f.json, "json", false, "print what is wrong as JSON lines")
	return c
}

// merging are the flags of mil batch sort and merge.
type merging struct {
	to      string
	partial bool
}

func (m *merging) add(c *cobra.Command) {
	addText(c.Flags(), &m.to, "output", "o", "FILE", "file of the answers in order; it may be one of those that are read")
	_ = c.MarkFlagRequired("output") // it is there
	c.Flags().BoolVar(&m.partial, "partial", false, "leave out requests that have no answer yet")
}

func (m *merging) run(c *cobra.Command, in string, outputs []string) error {
	r, err := batch.Merge(in, outputs, m.to, m.partial)
	if err != nil {
		return err
	}
	show.Fprintf(c.ErrOrStderr(), "%d answers to %d requests, %d of them failures\n", r.Answers, r.Requests, r.Failed)
	if r.Torn > 0 {
		show.Fprintf(c.ErrOrStderr(), "mil: warning: the last line of %d outputs is not whole, and was left out\n", r.Torn)
	}
	return nil
}

func batchSortCommand() *cobra.Command {
	var m merging
	c := &cobra.Command{
		Use:     "sort IN.jsonl OUT.jsonl -o SORTED.jsonl",
		Short:   "Put answers into the order of the requests",
		Example: `  mil batch sort in.jsonl out.jsonl -o out.jsonl`,
		Args:    exactly("IN.jsonl", "OUT.jsonl"),
		RunE:    func(c *cobra.Command, args []string) error { return m.run(c, args[0], args[1:]) },
	}
	m.add(c)
	return c
}

func batchMergeCommand() *cobra.Command {
	var m merging
	c := &cobra.Command{
		Use:   "merge IN.jsonl OUT.jsonl... -o ALL.jsonl",
		Short: "Join the outputs of several shards, in the order of the requests",
		Long: `Join the outputs of several shards in the order of the requests. If several outputs
answer a request, the first answer that is no failure is taken.`,
		Example: `  mil batch merge in.jsonl out-0.jsonl out-1.jsonl -o out.jsonl`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%s takes IN.jsonl and one OUT.jsonl or more; see %s --help", c.CommandPath(), c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return m.run(c, args[0], args[1:]) },
	}
	m.add(c)
	return c
}
