package cmd

import (
	"errors"
	"io"

	"github.com/spf13/pflag"

	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/llm"
	"github.com/mil-run/mil/model"
)

// runFlags are the flags of every command that runs a model.
type runFlags struct {
	context     int
	threads     int
	isa         string
	plainRope   bool
	onFull      string
	kv          string // type of the KV cache: f16, q8_0, or "" for the model's own
	backendName string // auto, cpu, cuda or metal
	gpuLayers   int

	machine *llm.Machine // computes for all of the command's sessions
	warn    io.Writer    // set before the first session starts
}

func (f *runFlags) add(set *pflag.FlagSet) {
	addNumber(set, &f.context, "ctx", "c", 0, 0, maxContext, "size of the context in tokens (default the model's, at most 8192)")
	f.addMachine(set)
	set.BoolVar(&f.plainRope, "no-rope-scaling", false, "ignore the RoPE scaling in the file")
}

// addMachine adds the flags that say what computes.
func (f *runFlags) addMachine(set *pflag.FlagSet) {
	addNumber(set, &f.threads, "threads", "t", 0, 0, maxThreads, "number of threads (default one a performance core)")
	oneOf(set, &f.isa, "isa", "", llm.ISAs(), "instruction set, one that mil info --cpu lists (default the best)")
	oneOf(set, &f.kv, "kv", "", llm.KVTypes(), "type of the KV cache: f16, or q8_0 at half the size (default f16, float32 beside float32 weights)")
	oneOf(set, &f.backendName, "backend", "auto", backendNames(), "backend: cpu, cuda (NVIDIA), metal (Apple Silicon), or auto, which takes a GPU where it can use one")
	addNumber(set, &f.gpuLayers, "gpu-layers", "", fitLayers, fitLayers, maxLayers, "number of layers on the GPU; the CPU computes the rest; -1 is as many as fit the GPU's memory")
}

// maxContext keeps sizes far from overflowing, maxThreads keeps threads from
// being absurdly many, and maxLayers is more than models have.
const (
	maxContext = 1 << 28
	maxThreads = 1 << 12
	maxLayers  = 1 << 20
	fitLayers  = -1 // as many as fit
)

// backendNames are the values of --backend.
func backendNames() []string { return append([]string{"auto"}, llm.Backends()...) }

// options are the door's, without those of chats.
func (f *runFlags) options() llm.Options {
	return llm.Options{
		Backend: f.backendName, GPULayers: zeroIs(fitLayers, f.gpuLayers), Threads: f.threads, ISA: f.isa, Uploaded: uploadProgress(f.warn),
		Context: f.context, KV: f.kv, Slide: f.onFull == "slide", PlainRope: f.plainRope, Warn: f.say,
	}
}

// zeroIs gives a flag's value as the door's options take it: 0 for the default,
// and below 0 for nothing.
func zeroIs(standard, value int) int {
	switch value {
	case standard:
		return 0
	case 0:
		return -1
	}
	return value
}

// say prints a warning of the door's.
func (f *runFlags) say(err error) {
	word := "warning: "
	if errors.Is(err, llm.ErrGPU) {
		word = ""
	}
	show.Fprintf(f.warn, "mil: %s%v\n", word, flagged(err))
}

// on is the command's machine, which starts with its first session.
func (f *runFlags) on() *llm.Machine {
	if f.warn == nil {
		f.warn = io.Discard
	}
	if f.machine == nil {
		f.machine = llm.NewMachine(f.options())
	}
	return f.machine
}

// start starts the machine.
func (f *runFlags) start() error { return flagged(f.on().Start()) }

// session starts a session, with its draft.
func (f *runFlags) session(m *llm.Model, set ...func(*llm.Settings)) (*llm.Session, error) {
	s, err := m.NewSession(set...)
	return s, flagged(err)
}

// timeline makes a bare session of the given context (0: the model's own).
func (f *runFlags) timeline(m *model.Model, context int) (*llm.Timeline, error) {
	return f.timelineWith(m, f.of(context))
}

func (f *runFlags) timelineWith(m *model.Model, o model.Options) (*llm.Timeline, error) {
	if err := f.start(); err != nil {
		return nil, err
	}
	return f.on().Timeline(m, o)
}

// of are the options of a bare session of the given context.
func (f *runFlags) of(context int) model.Options {
	o := model.Options{Context: context, Slide: f.onFull == "slide", PlainRope: f.plainRope}
	o.KV, _ = llm.KVType(f.kv) // the flag takes no other
	return o
}

// close ends the machine, after the sessions.
func (f *runFlags) close() {
	if f.machine != nil {
		f.machine.Close()
		f.machine = nil
	}
}
