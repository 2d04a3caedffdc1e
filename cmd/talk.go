package cmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/sample"
)

// chatFlags are the flags of chat and run.
type chatFlags struct {
	runFlags
	model string
	draftFlags
	formFlags
	params    llm.Settings // where their flags were given
	system    string
	stats     bool
	cache     string
	cacheSize int
}

func (f *chatFlags) add(set *pflag.FlagSet) {
	addText(set, &f.model, "model", "m", "MODEL", "the model, instead of the first argument")
	f.runFlags.add(set)
	f.draftFlags.add(set)
	addParams(set, &f.params)
	f.formFlags.add(set)
	oneOf(set, &f.onFull, "on-full", "stop", []string{"stop", "slide"}, "action when the context is full: stop, or slide, which drops the oldest keys and values behind the "+
		"system message and goes on; the recurrent state still knows them")
	addText(set, &f.cache, "prompt-cache", "", "FOLDER", "folder that keeps the beginnings of prompts, so that they are not read again")
	addNumber(set, &f.cacheSize, "prompt-cache-size", "", 4096, 1, maxCache, "greatest size of the folder in megabytes; files not used for longest go first")
	addText(set, &f.system, "system", "", "TEXT", "system message")
	set.BoolVar(&f.stats, "stats", false, "print speed and tokens on stderr after each reply")
}

const maxCache = 1 << 24

// override takes the parameters whose flags were given from other settings.
func (f *chatFlags) override(c *cobra.Command, to, from *llm.Settings) {
	for _, p := range sample.Params() {
		if c.Flags().Changed(p.Name) {
			p.Copy(to, from)
		}
	}
}

// talker is an opened model and, once begun, a session.
type talker struct {
	model    *llm.Model
	session  *llm.Session
	settings llm.Settings // the checkpoint's, changed by the flags that were given
	run      *runFlags
}

// prepare opens the model without starting its session.
func (f *chatFlags) prepare(c *cobra.Command, path string) (*talker, error) {
	f.warn = c.ErrOrStderr()
	form, err := f.formFlags.compile()
	if err != nil {
		return nil, err
	}
	o := f.options()
	f.draftFlags.put(c, &o)
	o.PromptCache, o.PromptCacheBytes = f.cache, int64(f.cacheSize)<<20
	m, err := f.on().Open(path, o)
	if err != nil {
		return nil, err
	}
	m.File().ReadAhead()
	t := &talker{model: m, settings: m.Settings(), run: &f.runFlags}
	f.override(c, &t.settings, &f.params)
	t.settings.Format = form
	// The checkpoint's own were checked when it was opened.
	if err := t.settings.Check(); err != nil {
		t.close()
		if errors.Is(err, sample.ErrStop) {
			err = fmt.Errorf("--stop: %w", err)
		}
		return nil, usage(err)
	}
	return t, nil
}

// begin starts the session of a model that prepare opened.
func (f *chatFlags) begin(t *talker) (err error) {
	t.session, err = f.session(t.model, func(s *llm.Settings) { *s = t.settings })
	return err
}

// conversation is the session's.
func (t *talker) conversation() *chat.Conversation { return t.session.Conversation() }

func (t *talker) close() {
	if t.session != nil {
		t.session.Close()
	}
	t.model.Close()
	t.run.close()
}
