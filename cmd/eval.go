package cmd

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/internal/bounded"
	"github.com/mil-run/mil/internal/eval"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/speculate"
)

// evalFlags choose the measurements.
type evalFlags struct {
	runFlags
	text, base, questions, svg string
	basePath                   string // of base; "" is the demo
	special, needle, json      bool
	lengths                    []int
	asked                      int
}

func evalCommand() *cobra.Command {
	var f evalFlags
	c := &cobra.Command{
		Use:   "eval [MODEL]",
		Short: "Measure a model: perplexity, KL divergence, questions, a needle in a haystack",
		Long: `Measure a model. Without MODEL it measures the demo inside mil.

-f FILE measures the perplexity of a text, in windows of --ctx tokens (512 without
it) that overlap by half. --kl-base OTHER adds the KL divergence from another model,
usually the same model in more bits. --kv does not change that one. --qa FILE asks
questions from JSON lines of "kind", "messages" and "answer", and counts exact
answers. --needle hides a fact in texts of several lengths and at several depths,
and asks for it.

Intervals are of 95%, taking tokens and questions as independent.`,
		Example: `  mil eval m1-q4_k_m.bin -f text.txt
  mil eval m1-q4_k_m.bin -f text.txt --kl-base m1-bf16.bin
  mil eval --qa questions.jsonl --json
  mil eval m1.bin --needle --ctx 4096 --svg needle.svg`,
		Args:              atMost("MODEL"),
		ValidArgsFunction: completeModels(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			path, err := "", error(nil)
			if len(args) > 0 {
				path, err = findModel(c, args[0])
			}
			if err == nil && f.base != "" {
				if f.basePath, err = findModel(c, f.base); err != nil {
					err = fmt.Errorf("--kl-base: %w", err)
				}
			}
			if err != nil {
				return err
			}
			defer f.close()
			ctx, stop := interruptible()
			defer stop()
			r, err := f.run(ctx, path, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if f.svg != "" {
				err := whole.Write(f.svg, 0o666, func(w io.Writer) error { return r.Needle.SVG(w, "a needle in a haystack: "+r.Model) })
				if err != nil {
					return err
				}
			}
			if f.json {
				return r.writeJSON(c.OutOrStdout())
			}
			return r.print(c.OutOrStdout())
		},
	}
	f.runFlags.add(c.Flags())
	addText(c.Flags(), &f.text, "file", "f", "FILE", "text to measure perplexity on")
	addText(c.Flags(), &f.base, "kl-base", "", "MODEL", "model to measure the KL divergence from, on the same text")
	c.Flags().BoolVar(&f.special, "special", false, "read the names of special tokens in the file as those tokens")
	addText(c.Flags(), &f.questions, "qa", "", "FILE", "file of JSON lines with questions and exact answers")
	c.Flags().BoolVar(&f.needle, "needle", false, "find a fact in texts of several lengths, at several depths")
	c.Flags().Var(&numbers{&f.lengths, 1, maxContext}, "needle-lengths", "tokens of those texts (default 256, doubled up to the context)")
	addNumber(c.Flags(), &f.asked, "needle-runs", "", 3, 1, 1000, "texts for each length and depth")
	addText(c.Flags(), &f.svg, "svg", "", "FILE", "SVG file to draw the needles' grid in")
	c.Flags().BoolVar(&f.json, "json", false, "print the results as JSON")
	return c
}

// check refuses flags that make no sense, before anything is read.
func (f *evalFlags) check() error {
	switch {
	case f.text == "" && f.questions == "" && !f.needle:
		return usagef("there is nothing to measure; give -f FILE, --qa FILE or --needle (see mil eval --help)")
	case f.base != "" && f.text == "":
		return usagef("--kl-base needs a text: -f FILE")
	case (f.svg != "" || f.lengths != nil) && !f.needle:
		return usagef("--svg and --needle-lengths belong to --needle")
	}
	return nil
}

// run makes the measurements that were asked for. Progress goes to errs.
func (f *evalFlags) run(ctx context.Context, path string, errs io.Writer) (*evalResult, error) {
	var list []eval.Question
	if f.questions != "" {
		var err error
		if list, err = eval.ReadQuestions(f.questions); err != nil {
			return nil, err
		}
	}
	m, err := f.on().Open(path, f.options())
	if err != nil {
		return nil, err
	}
	defer m.Close()
	e := m.Engine()
	r := &evalResult{Model: m.File().Name()}
	if path != "" {
		r.Model = filepath.Base(path)
	}
	if f.text != "" {
		if r.score, err = f.score(ctx, m, errs); err != nil {
			return nil, err
		}
	}
	if f.questions == "" && !f.needle {
		return r, nil
	}
	if err := m.CanChat(); err != nil {
		return nil, err
	}
	f.warn = errs
	session, err := f.session(m)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	s := session.Timeline().Session
	if f.questions != "" {
		p := counted(errs, "questions")
		r.answers, err = eval.Ask(ctx, e, s, list, p.count)
		if p.end(); err != nil {
			return nil, fmt.Errorf("%s: %w", f.questions, err)
		}
	}
	if f.needle {
		if len(f.lengths) == 0 {
			f.lengths = eval.Lengths(s.Context())
		}
		if len(f.lengths) == 0 {
			return nil, fmt.Errorf("a context of %d tokens is too short for --needle", s.Context())
		}
		p := counted(errs, "needles")
		r.Needle, err = eval.Needle(ctx, e, s, f.lengths, f.asked, p.count)
		if p.end(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// evalWindow is the window of perplexity without --ctx.
const evalWindow = 512

// score measures the model on the text.
func (f *evalFlags) score(ctx context.Context, m *llm.Model, errs io.Writer) (*eval.Score, error) {
	e := m.Engine()
	t, err := readText(e, f.text, f.special)
	if err != nil {
		return nil, err
	}
	window := f.context
	if window == 0 {
		window = min(evalWindow, m.Config().Context)
	}
	s, err := f.timeline(e.Model, window)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var base *model.Session
	if f.base != "" {
		other, err := f.on().Open(f.basePath, f.options())
		if err != nil {
			return nil, fmt.Errorf("--kl-base: %w", err)
		}
		defer other.Close()
		if speculate.Fits(m.Tokenizer(), other.Tokenizer()) != nil || m.Config().Vocab != other.Config().Vocab {
			return nil, fmt.Errorf("--kl-base: %s has another vocabulary than %s", other.File().Name(), m.File().Name())
		}
		// --kv does not apply to the base, so one file as both shows its cost.
		second, err := f.timelineWith(other.Engine().Model, model.Options{Context: window, PlainRope: f.plainRope})
		if err != nil {
			return nil, fmt.Errorf("--kl-base: %w", err)
		}
		defer second.Close()
		base = second.Session
	}
	p := counted(errs, "tokens")
	score, err := eval.Measure(ctx, t, s.Session, base, p.count)
	if p.end(); err != nil {
		return nil, fmt.Errorf("%s: %w", f.text, err)
	}
	return score, nil
}

// readText reads a text file for a model.
func readText(e *chat.Engine, path string, special bool) (eval.Text, error) {
	text, err := bounded.Text(path)
	if err != nil {
		return eval.Text{}, err
	}
	return eval.NewText(e.Tokenizer, text, special), nil
}

// counted shows how many tokens or questions are done, on a terminal.
func counted(out io.Writer, what string) *progress {
	return newProgress(out, what, progressbar.OptionShowCount())
}
