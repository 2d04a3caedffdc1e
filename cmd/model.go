package cmd

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/chat"
	"github.com/mil-run/mil/demo"
	"github.com/mil-run/mil/format"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/quant"
	"github.com/mil-run/mil/session"
)

// splitModel takes the model from the positional arguments: the first is one
// when it names an existing file, ends in .bin or .gguf, or holds a path
// separator and no space. "" is the demo.
func splitModel(args []string) (path string, rest []string) {
	if len(args) > 0 && looksLikeModel(args[0]) {
		return args[0], args[1:]
	}
	return "", args
}

func looksLikeModel(arg string) bool {
	if strings.HasSuffix(arg, ".bin") || strings.HasSuffix(arg, ".gguf") {
		return true
	}
	if strings.ContainsAny(arg, "/"+string(os.PathSeparator)) && !strings.Contains(arg, " ") {
		return true
	}
	st, err := os.Stat(arg)
	return err == nil && !st.IsDir()
}

// openModel opens a model file, or the demo for "".
func openModel(path string) (*format.File, error) {
	if path == "" {
		return demo.Open()
	}
	return openFile(path)
}

// openFile opens a model file.
func openFile(path string) (*format.File, error) {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a folder; pack it into a model file first: mil convert %s", path, path)
	}
	return format.Open(path)
}

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
	backend     backend.Backend // what all of the command's sessions compute with
	warn        io.Writer       // set before the first session starts
}

func (f *runFlags) add(set *pflag.FlagSet) {
	set.IntVar(&f.context, "ctx", 0, "tokens the context holds (default the model's, at most 8192)")
	f.addMachine(set)
	set.BoolVar(&f.plainRope, "no-rope-scaling", false, "ignore the file's stretching of positions")
}

// addMachine adds the flags that say what computes.
func (f *runFlags) addMachine(set *pflag.FlagSet) {
	set.IntVar(&f.threads, "threads", 0, "threads to compute with (default one a performance core)")
	set.StringVar(&f.isa, "isa", "", "instruction set to compute with, of those mil info --cpu lists (default the best)")
	set.StringVar(&f.kv, "kv", "", "keep keys and values of attention as f16 or as q8_0, half the size (default f16, float32 beside float32 weights)")
	set.StringVar(&f.backendName, "backend", "auto", "what computes: cpu, cuda (NVIDIA), metal (Apple Silicon), or auto for a GPU where there is one it can use")
	set.IntVar(&f.gpuLayers, "gpu-layers", split.Fit, "layers the GPU computes, the CPU the rest; -1 as many as fit its memory")
}

// maxContext keeps sizes far from overflowing, maxThreads from absurd.
const (
	maxContext = 1 << 28
	maxThreads = 1 << 12
)

// session starts a session of the model.
func (f *runFlags) session(m *model.Model, warn io.Writer) (*model.Session, error) {
	if f.context < 0 || f.context > maxContext {
		return nil, fmt.Errorf("--ctx %d is not between 1 and %d", f.context, maxContext)
	}
	f.warn = warn
	s, err := f.start(m, f.context)
	if err == nil && f.context > m.Config.Context {
		fmt.Fprintf(warn, "mil: warning: --ctx %d is more than the %d tokens the model declares\n", f.context, m.Config.Context)
	}
	return s, err
}

// start makes a session of so many tokens (0: the model's own).
func (f *runFlags) start(m *model.Model, context int) (*model.Session, error) {
	o, err := f.options(context)
	if err != nil {
		return nil, err
	}
	return f.startWith(m, o)
}

func (f *runFlags) startWith(m *model.Model, o model.Options) (*model.Session, error) {
	if err := f.open(); err != nil {
		return nil, err
	}
	return m.NewSession(f.backend, o)
}

// options are those of a session of so many tokens.
func (f *runFlags) options(context int) (model.Options, error) {
	kv, err := kvType(f.kv)
	if f.onFull != "" && f.onFull != "stop" && f.onFull != "slide" {
		err = fmt.Errorf("--on-full %s is neither stop nor slide", f.onFull)
	}
	return model.Options{Context: context, Slide: f.onFull == "slide", PlainRope: f.plainRope, KV: kv}, err
}

// kvType is what --kv names.
func kvType(name string) (quant.Type, error) {
	switch name {
	case "":
		return quant.F32, nil // the model's own
	case "f16":
		return quant.F16, nil
	case "q8_0":
		return quant.Q8_0, nil
	}
	return 0, fmt.Errorf("--kv %s is neither f16 nor q8_0", name)
}

// open starts the backend, where that is still to be done.
func (f *runFlags) open() (err error) {
	if err := f.checkMachine(); err != nil {
		return err
	}
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
	f.runFlags.add(set)
	f.draftFlags.add(set)
	const from = " (default the checkpoint's)"
	set.Float32Var(&f.temp, "temp", 0, "temperature; 0 always takes the best token"+from)
	set.IntVar(&f.topK, "top-k", 0, "draw from the K best tokens, 0 from all"+from)
	set.Float32Var(&f.topP, "top-p", 0, "draw from the best tokens whose probabilities sum to P, 0 or 1 from all"+from)
	set.Float32Var(&f.minP, "min-p", 0, "draw from tokens at least P times as probable as the best"+from)
	set.Float32Var(&f.repeat, "repeat-penalty", 0, "make the last 64 tokens less likely, 1 does not"+from)
	set.Uint64Var(&f.seed, "seed", 0, "seed of the random numbers; the same seed gives the same text, with a draft where --draft-k is fixed (default a new one)")
	set.StringArrayVar(&f.stop, "stop", nil, "text that ends a reply; may be given several times")
	set.IntVar(&f.maxTokens, "max-tokens", 0, "longest reply in tokens, 0 up to the context's end")
	set.StringVar(&f.onFull, "on-full", "stop", "where the context is full: stop, or slide, which drops the oldest keys and values behind the\n"+
		"system message and goes on; the recurrent state still knows them")
	set.StringVar(&f.cache, "prompt-cache", "", "FOLDER that keeps what prompts begin with, so that it is not read again")
	set.IntVar(&f.cacheSize, "prompt-cache-size", 4096, "megabytes the folder may hold; what was not used for longest goes first")
	set.StringVar(&f.system, "system", "", "system message")
	set.BoolVar(&f.stats, "stats", false, "print speed and tokens after each reply, on stderr")
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
			return s, errors.New("--stop: an empty text would stop every reply")
		}
	}
	if f.maxTokens < 0 {
		return s, fmt.Errorf("--max-tokens %d is negative", f.maxTokens)
	}
	return s, s.Sampling.Check()
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

// open opens the model and starts a session.
func (f *chatFlags) open(c *cobra.Command, path string) (t *talker, err error) {
	t = &talker{run: &f.runFlags}
	if t.file, err = openModel(path); err != nil {
		return nil, err
	}
	t.file.ReadAhead()
	if t.engine, err = chat.Open(t.file); err == nil {
		t.Settings, err = f.settings(c, t.engine)
	}
	if err == nil {
		t.session, err = f.session(t.engine.Model, c.ErrOrStderr())
	}
	if err == nil && f.cache != "" {
		err = f.openCache(t.engine)
	}
	if err == nil {
		t.drafts, err = f.draftFlags.open(&f.runFlags, t.engine, t.session, t.Sampling)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	t.Draft = t.drafts.Options
	return t, nil
}

// openCache gives the engine its prompt cache.
func (f *chatFlags) openCache(e *chat.Engine) (err error) {
	if f.cacheSize < 1 || f.cacheSize > maxCache {
		return fmt.Errorf("--prompt-cache-size %d is not between 1 and %d megabytes", f.cacheSize, maxCache)
	}
	if e.Cache, err = session.OpenCache(f.cache, int64(f.cacheSize)<<20); err == nil {
		e.Cache.Warn = func(err error) { fmt.Fprintln(f.warn, "mil: warning:", err) }
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

// isTerminal reports whether somebody sits at the other end of v, a stream of
// the command.
func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && (isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd()))
}
