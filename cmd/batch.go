package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/batch"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
)

// batchFlags are those of mil batch.
type batchFlags struct {
	runFlags
	out, model, draft string
	shard             string
	shards            int
	streams, errors   int
	seed              uint64
	memory, weights   int64
	retry, json       bool
	grace             time.Duration
}

func batchCommand() *cobra.Command {
	var f batchFlags
	c := &cobra.Command{
		Use:   "batch IN.jsonl -o OUT.jsonl",
		Short: "Answer a file of requests, and go on where it was stopped",
		Long: `Answer a file of requests, one JSON line each, as OpenAI's batches are written:

  {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions",
   "body": {"model": "m1-3b", "messages": [{"role": "user", "content": "Hello"}]}}

url may also be /v1/completions or /v1/responses. Each answer is appended to OUT as
soon as it is there, failures too, in the order in which they end. Started again with
the same files, mil batch goes on where it was stopped or killed. docs/batch.md says
more.

The exit status is 0 where all requests were answered, 3 where some of the answers
are failures, 75 after SIGTERM (start it again to go on), 1 after another error.`,
		Example: `  mil batch in.jsonl -o out.jsonl --model m1-3b
  mil batch check in.jsonl --model m1-3b
  mil batch in.jsonl -o out-0.jsonl --shard 0/2
  mil batch merge in.jsonl out-0.jsonl out-1.jsonl -o out.jsonl`,
		Args: exactly("IN.jsonl"),
		RunE: func(c *cobra.Command, args []string) error { return f.batch(c, args[0]) },
	}
	set := c.Flags()
	f.addServing(c)
	addText(set, &f.out, "output", "o", "OUT.jsonl", "file of the answers, which are appended")
	_ = c.MarkFlagRequired("output") // it is there
	addNumber(set, &f.errors, "max-errors", "", 0, 0, 1<<30, "failures after which to stop; 0 is never")
	set.Var(&seed{&f.seed}, "seed", "seed from which requests without one get theirs")
	set.BoolVar(&f.retry, "retry-failed", false, "run again the requests whose answer is a failure")
	addText(set, &f.shard, "shard", "", "I/N", "answer one of N parts, I from 0 on (default what a job of an array says, see docs/batch.md)")
	addNumber(set, &f.shards, "shards", "", 0, 0, 1<<20, "number of parts, where JOB_COMPLETION_INDEX says which one this is")
	set.BoolVar(&f.json, "json", false, "print events as JSON lines")
	addTime(set, &f.grace, "grace", 10*time.Second, "time that requests at work get after Ctrl-C or SIGTERM")
	c.AddCommand(batchCheckCommand(), batchSortCommand(), batchMergeCommand())
	return c
}

// addServing adds the flags that say what answers.
func (f *batchFlags) addServing(c *cobra.Command) {
	set := c.Flags()
	f.add(set)
	addText(set, &f.model, "model", "m", "MODEL", "the model of all requests (default what each body names)")
	addText(set, &f.draft, "draft", "", "MODEL", "draft for speculative decoding: a model, lookup, demo or auto")
	addNumber(set, &f.streams, "streams", "", 32, 1, 64, "requests at work at a time, of each model")
	set.Var(&size{&f.memory}, "memory", "memory of all conversations and kept prompts, such as 4G (default half of what is free)")
	set.Var(&size{&f.weights}, "weights", "size of the models that stay loaded together (default what --memory leaves free)")
}

// serving opens models as the flags say.
func (f *batchFlags) serving(c *cobra.Command) (*batch.Serving, error) {
	f.warn = c.ErrOrStderr()
	s := &batch.Serving{LLM: f.options(), Streams: f.streams, Find: func(name string) (string, error) { return findModel(c, name) }}
	s.LLM.Draft = f.draft
	s.Memory, s.Weights = memorySizes(f.memory, f.weights)
	if s.All = c.Flags().Changed("model"); s.All {
		var err error
		if s.Model, err = findModel(c, f.model); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// part is the shard that the flags or the environment name.
func (f *batchFlags) part(errs io.Writer) (batch.Shard, error) {
	if f.shard != "" {
		s, err := batch.ParseShard(f.shard)
		if err != nil {
			return s, usagef("--shard %s is %w", f.shard, err)
		}
		return s, nil
	}
	s, by, err := batch.EnvShard(os.LookupEnv, f.shards)
	if err == nil && by != "" {
		show.Fprintf(errs, "mil: shard %s, by %s\n", s.String(), by)
	}
	return s, err
}

func (f *batchFlags) batch(c *cobra.Command, in string) error {
	ignoreFileSize()
	shard, err := f.part(c.ErrOrStderr())
	if err != nil {
		return err
	}
	s, err := f.serving(c)
	if err != nil {
		return err
	}
	ctx, stop := interruptible()
	defer stop()
	// A second signal ends the process at once. The output stays whole.
	context.AfterFunc(ctx, func() { signal.Reset(os.Interrupt, syscall.SIGTERM) })
	t := newTeller(c, f.json)
	end, err := batch.Run(ctx, batch.Options{
		In: in, Out: f.out, Shard: shard, Seed: f.seed, Streams: f.streams, Open: s.Open,
		Retry: f.retry, MaxErrors: f.errors, Grace: f.grace, Told: t.told,
	})
	t.end(end, err)
	return err
}

// teller shows how far a batch is.
type teller struct {
	out, errs io.Writer
	json      bool
	note      func(string)
	next      time.Time
	begun     bool
}

func newTeller(c *cobra.Command, asJSON bool) *teller {
	t := &teller{out: c.OutOrStdout(), errs: c.ErrOrStderr(), json: asJSON}
	if isTerminal(t.errs) {
		t.note = noter(t.errs)
	}
	return t
}

// Times between lines of progress.
const (
	tellTerminal = time.Second / 4
	tellLog      = time.Minute
)

func (t *teller) told(e batch.Event) {
	if !t.begun {
		t.begun = true
		t.begin(&e)
	}
	switch {
	case t.json && e.CustomID != "":
		t.event("answer", &e, nil)
	case t.json && time.Now().After(t.next):
		t.next = time.Now().Add(10 * time.Second)
		t.event("progress", &e, nil)
	case !t.json && t.note != nil && time.Now().After(t.next):
		t.next = time.Now().Add(tellTerminal)
		t.note(t.line(&e))
	case !t.json && t.note == nil && t.next.IsZero():
		t.next = time.Now().Add(tellLog)
	case !t.json && t.note == nil && time.Now().After(t.next):
		t.next = time.Now().Add(tellLog)
		show.Fprintln(t.errs, t.line(&e))
	}
}

// begin tells what was found.
func (t *teller) begin(e *batch.Event) {
	if t.json {
		t.event("begin", e, nil)
	}
	if e.Lockless != nil {
		show.Fprintf(t.errs, "mil: warning: %v, so nothing keeps a second mil batch away from the output\n", e.Lockless)
	}
	if e.Cut > 0 {
		show.Fprintf(t.errs, "mil: the output's last line was not whole, and its %d bytes were cut\n", e.Cut)
	}
	if e.Again > 0 {
		show.Fprintf(t.errs, "mil: %d requests that failed run again\n", e.Again)
	}
	if e.Kept > 0 {
		show.Fprintf(t.errs, "mil: %d of %d requests are answered already\n", e.Kept, e.Total)
	}
}

func (t *teller) line(e *batch.Event) string {
	line := fmt.Sprintf("%d of %d requests", e.Kept+e.Done, e.Total)
	if n := e.Failed + e.KeptFailed; n > 0 {
		line += fmt.Sprintf(", %d failed", n)
	}
	line += fmt.Sprintf(", %s tok/s", units.Rate(e.Rate()))
	if left := e.Left(); left > 0 {
		line += fmt.Sprintf(", about %s left", left.Round(time.Second))
	}
	return line
}

// end tells how the run ended. Its error is told elsewhere.
func (t *teller) end(e batch.Event, err error) {
	if t.note != nil {
		t.note("")
	}
	switch {
	case !t.begun:
	case t.json:
		t.event("end", &e, err)
	case err == nil || errors.Is(err, batch.ErrFailures) || errors.Is(err, batch.ErrStopped):
		show.Fprintf(t.errs, "%d of %d requests in %s, %s tokens read, %s made, %s tok/s\n", e.Kept+e.Done, e.Total,
			e.Elapsed.Round(time.Second).String(), units.Count(e.Prompt), units.Count(e.Made), units.Rate(e.Rate()))
	}
}

// event prints a line of JSON.
func (t *teller) event(kind string, e *batch.Event, err error) {
	v := map[string]any{
		"event": kind, "total": e.Total, "kept": e.Kept, "done": e.Done, "failed": e.Failed, "failed_before": e.KeptFailed,
		"prompt_tokens": e.Prompt, "completion_tokens": e.Made, "seconds": e.Elapsed.Seconds(), "tokens_per_second": e.Rate(), "seconds_left": e.Left().Seconds(),
	}
	if e.CustomID != "" {
		v["custom_id"], v["status_code"] = e.CustomID, e.Status
	}
	if e.Message != "" {
		v["message"] = e.Message
	}
	if err != nil {
		v["error"] = show.Line(err)
	}
	data, _ := json.Marshal(v) // nothing in it can fail
	_, _ = t.out.Write(append(show.JSON(data), '\n'))
}

// seed is a number from 0 on.
type seed struct{ to *uint64 }

func (v *seed) String() string {
	if v.to == nil {
		return "0"
	}
	return strconv.FormatUint(*v.to, 10)
}

func (v *seed) Type() string { return "N" }

func (v *seed) Set(s string) (err error) {
	if *v.to, err = strconv.ParseUint(s, 10, 64); err != nil {
		return errors.New("not a whole number from 0 on")
	}
	return nil
}
