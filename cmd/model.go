package cmd

import (
	"io"
	"math"
	"math/rand/v2"
	"os"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
	"github.com/mil-run/mil/session"
)

// runFlags are the flags of every command that runs a model.
type runFlags struct {
	context   int
	threads   int
	isa       string
	plainRope bool
	onFull    string
	kv        string // type of the KV cache: f16, q8_0, or "" for the model's own

	backendName string // auto, cpu, cuda or metal
	gpuLayers   int
	backend     backend.Backend // computes for all of the command's sessions
	warn        io.Writer       // set before the first session starts

	needed, limit int64 // memory of the sessions started, and their limit
	limited       bool  // limit is known
}

func (f *runFlags) add(set *pflag.FlagSet) {
	addNumber(set, &f.context, "ctx", "c", 0, 0, maxContext, "size of the context in tokens (default the model's, at most 8192)")
	f.addMachine(set)
	set.BoolVar(&f.plainRope, "no-rope-scaling", false, "ignore the RoPE scaling in the file")
}

// addMachine adds the flags that say what computes.
func (f *runFlags) addMachine(set *pflag.FlagSet) {
	addNumber(set, &f.threads, "threads", "t", 0, 0, maxThreads, "number of threads (default one a performance core)")
	oneOf(set, &f.isa, "isa", "", isaNames(), "instruction set, one that mil info --cpu lists (default the best)")
	oneOf(set, &f.kv, "kv", "", kvNames, "type of the KV cache: f16, or q8_0 at half the size (default f16, float32 beside float32 weights)")
	oneOf(set, &f.backendName, "backend", "auto", backendNames(), "backend: cpu, cuda (NVIDIA), metal (Apple Silicon), or auto, which takes a GPU where it can use one")
	addNumber(set, &f.gpuLayers, "gpu-layers", "", split.Fit, split.Fit, split.All, "number of layers on the GPU; the CPU computes the rest; -1 is as many as fit the GPU's memory")
}

// maxContext keeps sizes far from overflowing, and maxThreads keeps threads
// from being absurdly many.
const (
	maxContext = 1 << 28
	maxThreads = 1 << 12
)

// session starts a session of the model.
func (f *runFlags) session(m *model.Model, warn io.Writer) (*model.Session, error) {
	f.warn = warn
	s, err := f.start(m, f.context)
	if err == nil && f.context > m.Config.Context {
		show.Fprintf(warn, "mil: warning: --ctx %d is more than the %d tokens the model declares\n", f.context, m.Config.Context)
	}
	return s, err
}

// start makes a session of the given context (0: the model's own).
func (f *runFlags) start(m *model.Model, context int) (*model.Session, error) {
	return f.startWith(m, f.options(context))
}

func (f *runFlags) startWith(m *model.Model, o model.Options) (*model.Session, error) {
	if err := f.open(); err != nil {
		return nil, err
	}
	if err := f.reserve(m, o); err != nil {
		return nil, err
	}
	return m.NewSession(f.backend, o)
}

// options are those of a session of the given context.
func (f *runFlags) options(context int) model.Options {
	return model.Options{Context: context, Slide: f.onFull == "slide", PlainRope: f.plainRope, KV: kvType(f.kv)}
}

// kvType is the type named by --kv.
func kvType(name string) quant.Type {
	switch name {
	case quant.F16.String():
		return quant.F16
	case quant.Q8_0.String():
		return quant.Q8_0
	}
	return quant.F32 // the model's own
}

// open starts the backend, unless it is running.
func (f *runFlags) open() (err error) {
	if f.warn == nil {
		f.warn = io.Discard
	}
	if f.backend == nil {
		f.backend, err = f.openBackend()
	}
	return err
}

// close ends the backend, after the sessions.
func (f *runFlags) close() {
	if f.backend != nil {
		f.backend.Close()
	}
}

// chatFlags are the flags of chat and run.
type chatFlags struct {
	runFlags
	model string
	draftFlags
	temp, topP, minP, repeat float32
	topK, maxTokens          int
	seed                     uint64
	stop                     []string
	system                   string
	stats                    bool
	cache                    string
	cacheSize                int
}

func (f *chatFlags) add(set *pflag.FlagSet) {
	addText(set, &f.model, "model", "m", "MODEL", "the model, instead of the first argument")
	f.runFlags.add(set)
	f.draftFlags.add(set)
	const from = " (default the checkpoint's)"
	set.Var(&decimal{&f.temp}, "temp", "temperature, or --temperature; 0 always takes the best token"+from)
	addNumber(set, &f.topK, "top-k", "", 0, 0, math.MaxInt32, "sample from the K best tokens; 0 is all"+from)
	set.Var(&decimal{&f.topP}, "top-p", "sample from the best tokens whose probabilities sum to X; 0 or 1 is all"+from)
	set.Var(&decimal{&f.minP}, "min-p", "sample from tokens at least X times as probable as the best"+from)
	set.Var(&decimal{&f.repeat}, "repeat-penalty", "penalty on the last 64 tokens; 1 is none"+from)
	set.VarP(&seedValue{&f.seed}, "seed", "s", "seed of the random numbers; the same seed gives the same text, but with a draft only if --draft-k is fixed (default a new one)")
	set.Var(&texts{&f.stop, "TEXT"}, "stop", "text that ends a reply; may be given several times")
	addNumber(set, &f.maxTokens, "max-tokens", "n", 0, 0, math.MaxInt32, "longest reply in tokens; 0 allows all of the context")
	oneOf(set, &f.onFull, "on-full", "stop", []string{"stop", "slide"}, "action when the context is full: stop, or slide, which drops the oldest keys and values behind the "+
		"system message and goes on; the recurrent state still knows them")
	addText(set, &f.cache, "prompt-cache", "", "FOLDER", "folder that keeps the beginnings of prompts, so that they are not read again")
	addNumber(set, &f.cacheSize, "prompt-cache-size", "", 4096, 1, maxCache, "greatest size of the folder in megabytes; files not used for longest go first")
	addText(set, &f.system, "system", "", "TEXT", "system message")
	set.BoolVar(&f.stats, "stats", false, "print speed and tokens on stderr after each reply")
}

// settings are the checkpoint's, changed by the flags that were given.
func (f *chatFlags) settings(c *cobra.Command, e *chat.Engine) (chat.Settings, error) {
	s := chat.Settings{Sampling: e.Defaults, MaxTokens: f.maxTokens, Stop: f.stop}
	given := c.Flags().Changed
	if given("temp") {
		s.Sampling.Temp = f.temp
	}
	if given("top-k") {
		s.Sampling.TopK = f.topK
	}
	if given("top-p") {
		s.Sampling.TopP = f.topP
	}
	if given("min-p") {
		s.Sampling.MinP = f.minP
	}
	if given("repeat-penalty") {
		s.Sampling.RepeatPenalty = f.repeat
	}
	s.Sampling.Seed = f.seed
	if !given("seed") {
		s.Sampling.Seed = rand.Uint64()
	}
	for _, text := range f.stop {
		if text == "" {
			return s, usagef("--stop: an empty text would stop every reply")
		}
	}
	return s, usage(s.Sampling.Check()) // the checkpoint's own were checked when it was opened
}

// talker is an opened model with a session.
type talker struct {
	file    *format.File
	engine  *chat.Engine
	session *model.Session
	drafts  *drafts
	run     *runFlags
	chat.Settings
}

// prepare opens the model without starting its session.
func (f *chatFlags) prepare(c *cobra.Command, path string) (t *talker, err error) {
	t = &talker{run: &f.runFlags}
	if t.file, err = openModel(path); err != nil {
		return nil, err
	}
	t.file.ReadAhead()
	if t.engine, err = chat.Open(t.file); err == nil {
		t.Settings, err = f.settings(c, t.engine)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// begin starts the session of a model that prepare opened.
func (f *chatFlags) begin(c *cobra.Command, t *talker) (err error) {
	if err = f.draftFlags.find(c); err != nil {
		return err
	}
	if t.session, err = f.session(t.engine.Model, c.ErrOrStderr()); err != nil {
		return err
	}
	if f.cache != "" {
		if err = f.openCache(t.engine); err != nil {
			return err
		}
	}
	if t.drafts, err = f.draftFlags.open(&f.runFlags, t.engine, t.session, t.Sampling); err != nil {
		return err
	}
	t.Draft = t.drafts.Options
	return nil
}

// openCache gives the engine its prompt cache.
func (f *chatFlags) openCache(e *chat.Engine) (err error) {
	if e.Cache, err = session.OpenCache(f.cache, int64(f.cacheSize)<<20); err == nil {
		e.Cache.Warn = func(err error) { show.Fprintln(f.warn, "mil: warning:", err) }
	}
	return err
}

const maxCache = 1 << 24

func (t *talker) close() {
	if t.engine != nil && t.engine.Cache != nil {
		t.engine.Cache.Close()
	}
	if t.drafts != nil {
		t.drafts.close()
	}
	if t.session != nil {
		t.session.Close()
	}
	t.run.close()
	t.file.Close()
}

// isTerminal reports whether v, a stream of the command, is a terminal.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
