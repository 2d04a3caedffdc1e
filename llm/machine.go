package llm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/internal/devices"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/model"
)

// Machine is the processor or a GPU, and the memory that sessions
// may take. Several models may share one. It may be used by several goroutines.
//
// A Machine is a [sync.Locker]: it is locked while it computes. Code that uses
// its [Backend] or a [Timeline] beside other sessions locks it too.
type Machine struct {
	sync.Mutex
	o      Options
	b      backend.Backend // nil until Start
	memory budget
}

// NewMachine makes a machine of the options Backend, GPULayers, Threads, ISA,
// Uploaded and Warn. It starts with its first session, or with [Machine.Start].
func NewMachine(o Options) *Machine { return &Machine{o: o} }

// Backends are the names of the backends, the processor's first.
func Backends() []string { return devices.Names() }

// ISAs are the names of the instruction sets that [Options] take: "go" is plain Go.
func ISAs() []string {
	names := []string{"go"}
	for _, k := range kernel.Known() {
		names = append(names, k.Name)
	}
	return names
}

// Errors about machines.
var (
	// ErrBackend is wrapped by the error about a backend that cannot be used here,
	// a [BackendError], and by that about an unknown name.
	ErrBackend = errors.New("the backend cannot be used")
	// ErrISA is wrapped by the error about an instruction set that is not here.
	ErrISA = errors.New("the instruction set cannot be used")
	// ErrGPU is the warning that a GPU computes less than it was asked to: nothing,
	// or only the layers that fit its memory.
	ErrGPU = errors.New("the GPU does not compute all")
)

// BackendError is the [ErrBackend] about a backend that does not open.
type BackendError struct {
	Backend string
	Err     error
	Absent  bool   // this machine merely has no such device
	Advice  string // a remedy, or ""
}

func (e *BackendError) Error() string   { return e.Backend + ": " + e.Err.Error() }
func (e *BackendError) Unwrap() []error { return []error{ErrBackend, e.Err} }

// ISAError is an [ErrISA].
type ISAError struct{ Err error }

func (e *ISAError) Error() string   { return "instruction set: " + e.Err.Error() }
func (e *ISAError) Unwrap() []error { return []error{ErrISA, e.Err} }

// gpuWarning is an ErrGPU in words.
type gpuWarning struct{ text string }

func (e gpuWarning) Error() string { return e.text }
func (e gpuWarning) Unwrap() error { return ErrGPU }

// Start opens the backend, unless it is open. Errors are [ErrBackend] and [ErrISA].
func (mc *Machine) Start() error {
	mc.Lock()
	defer mc.Unlock()
	return mc.start()
}

func (mc *Machine) start() (err error) {
	if mc.b == nil {
		mc.b, err = open(&mc.o)
	}
	return err
}

// Backend starts the machine and gives its backend.
func (mc *Machine) Backend() (backend.Backend, error) {
	mc.Lock()
	defer mc.Unlock()
	err := mc.start()
	return mc.b, err
}

// Close ends the machine, after the models that were opened on it.
func (mc *Machine) Close() error {
	mc.Lock()
	defer mc.Unlock()
	if mc.b == nil {
		return nil
	}
	err := mc.b.Close()
	mc.b = nil
	return err
}

// open starts the backend that the options name. With auto, a machine without a
// GPU warns of nothing, and a GPU that cannot be used is a warning with the
// reason.
func open(o *Options) (backend.Backend, error) {
	name := o.Backend
	if name == "" {
		name = auto
	}
	if name != auto && !slices.Contains(Backends(), name) {
		return nil, fmt.Errorf("%w: %q is none of %s, %s", ErrBackend, name, auto, strings.Join(Backends(), ", "))
	}
	host, err := cpu.NewISA(o.Threads, o.ISA)
	if err != nil {
		return nil, &ISAError{err}
	}
	if name == devices.CPU || o.GPULayers < 0 && name == auto {
		return host, nil
	}
	for _, d := range devices.All {
		if name != auto && name != d.Name {
			continue
		}
		device, err := d.Open(o.Uploaded)
		switch {
		case err == nil:
			return split.New(device, host, layers(o), func(layers, of int) {
				if layers < of && o.GPULayers == 0 {
					o.warn(gpuWarning{fmt.Sprintf("the GPU's free memory takes %d of %d layers; the CPU computes the rest", layers, of)})
				}
			}), nil
		case name == d.Name:
			host.Close()
			return nil, &BackendError{name, err, d.Absent(err), d.Advice(err)}
		case !d.Absent(err):
			o.warn(gpuWarning{fmt.Sprintf("the GPU is not used: %v", err)})
		}
	}
	return host, nil
}

// auto takes a GPU where it can use one.
const auto = "auto"

// layers is the GPU's share as package split counts it.
func layers(o *Options) int {
	switch {
	case o.GPULayers == 0:
		return split.Fit
	case o.GPULayers < 0:
		return 0
	}
	return o.GPULayers
}

// Timeline is a bare session: tokens go in, logits come out. It is for one
// goroutine, and only while it alone uses the machine or has it locked.
type Timeline struct {
	*model.Session
	mc     *Machine
	bytes  int64
	closed bool
}

// Timeline starts a bare session of a model, and the machine where that has not
// started. It refuses a session whose memory does not fit beside the others:
// [ErrMemory].
func (mc *Machine) Timeline(m *model.Model, o model.Options) (*Timeline, error) {
	mc.Lock()
	defer mc.Unlock()
	if err := mc.start(); err != nil {
		return nil, err
	}
	bytes, err := mc.memory.reserve(m, o, mc.b, mc.o.warn)
	if err != nil {
		return nil, err
	}
	s, err := m.NewSession(mc.b, o)
	if err != nil {
		mc.memory.needed -= bytes
		return nil, err
	}
	return &Timeline{Session: s, mc: mc, bytes: bytes}, nil
}

// Close frees the session's memory.
func (t *Timeline) Close() error {
	t.mc.Lock()
	defer t.mc.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.mc.memory.needed -= t.bytes
	return t.Session.Close()
}
