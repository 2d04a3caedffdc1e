package cmd

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/devices"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/internal/probe"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/llm"
)

// selftest is the JSON of `mil selftest --json`.
type selftest struct {
	Version  string         `json:"version"`
	Platform string         `json:"platform"` // toolchain, system and architecture
	CPU      string         `json:"cpu"`
	Threads  int            `json:"threads"`
	Devices  devices.Info   `json:"devices"`
	Backends []backendCheck `json:"backends"`
	OK       bool           `json:"ok"`
}

// backendCheck is one backend's part.
type backendCheck struct {
	Backend     string   `json:"backend"`
	ISA         string   `json:"isa,omitempty"`        // the CPU's instruction set
	NotTested   string   `json:"not_tested,omitempty"` // the reason, where nothing is wrong
	Conformance tally    `json:"conformance"`          // cases in which every node came out as plain Go makes it
	Transcripts tally    `json:"transcripts"`          // replies of the demo, word for word
	PromptTokS  float64  `json:"prompt_tok_s"`
	GenTokS     float64  `json:"gen_tok_s"`
	Failures    []string `json:"failures,omitempty"`
}

type tally struct {
	Right int `json:"right"`
	Of    int `json:"of"`
}

func (t tally) String() string { return fmt.Sprintf("%d of %d", t.Right, t.Of) }

// selftestFlags are the command's.
type selftestFlags struct {
	runFlags
	asJSON bool
	note   func(string) // progress
}

func selftestCommand() *cobra.Command {
	var f selftestFlags
	c := &cobra.Command{
		Use:   "selftest",
		Short: "Check that every backend computes correctly on this machine",
		Long: `Check that every backend computes correctly on this machine. It compares each kind
of node with each type of weights with plain Go, and the demo's replies word for
word. It also measures the demo's speed. It takes some seconds a backend and prints
a table to paste into a bug report. The exit status is 1 if something fails. The
CPU is checked on every instruction set it has.`,
		Example: "  mil selftest\n  mil selftest --backend cuda\n  mil selftest --backend cpu --isa avx2 --json",
		Args:    atMost(),
		RunE: func(c *cobra.Command, _ []string) error {
			f.warn = io.Discard
			f.note = noter(c.ErrOrStderr())
			targets, err := f.targets()
			if err != nil {
				return err
			}
			s := selftest{Version: version(), Platform: platform(), CPU: probe.ProcessorName(), Threads: f.threads, Devices: devices.List(), OK: true}
			if s.Threads == 0 {
				s.Threads, _ = devices.Threads()
			}
			for _, t := range targets {
				r := f.check(t)
				s.OK = s.OK && len(r.Failures) == 0
				s.Backends = append(s.Backends, r)
			}
			f.note("")
			if f.asJSON {
				err = printJSON(c.OutOrStdout(), s)
			} else {
				err = s.print(c.OutOrStdout())
			}
			if err == nil && !s.OK {
				err = errors.New("the self-test failed; please report it with the table above")
			}
			return err
		},
	}
	set := c.Flags()
	addNumber(set, &f.threads, "threads", "t", 0, 0, maxThreads, "number of threads (default one a performance core)")
	oneOf(set, &f.isa, "isa", "", llm.ISAs(), "check the CPU on this instruction set only")
	oneOf(set, &f.backendName, "backend", "auto", backendNames(), "backend to check: "+strings.Join(backendNames()[1:], ", ")+", or auto for all of this machine")
	set.BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

// target is a backend to check.
type target struct {
	runFlags
	open func() (backend.Backend, error)
	// absent says whether the error of open only means that the device is
	// missing. remedy is the advice on it.
	absent func(error) bool
	remedy func(error) string
}

// targets are the backends that the flags name.
func (f *selftestFlags) targets() ([]target, error) {
	f.gpuLayers = fitLayers
	var list []target
	add := func(name, isa string, open func() (backend.Backend, error)) *target {
		t := target{runFlags: f.runFlags, open: open}
		t.backendName, t.isa = name, isa
		list = append(list, t)
		return &list[len(list)-1]
	}
	if f.backendName == devices.CPU || f.backendName == "auto" {
		sets := []string{f.isa}
		if f.isa == "" {
			sets = setNames()
		}
		for _, isa := range sets {
			if _, err := kernel.ByName(isa); err != nil && isa != "go" {
				return nil, usagef("--isa: %w", err)
			}
			add(devices.CPU, isa, func() (backend.Backend, error) {
				return llm.NewMachine(llm.Options{Backend: devices.CPU, Threads: f.threads, ISA: isa}).Backend()
			})
		}
	}
	for _, d := range devices.All {
		if f.backendName == d.Name || f.backendName == "auto" && f.isa == "" {
			t := add(d.Name, "", func() (backend.Backend, error) { return d.Open(nil) })
			t.remedy = func(err error) string { return orCPU(d.Advice(err)) }
			if f.backendName == "auto" {
				t.absent = d.Absent
			}
		}
	}
	return list, nil
}

// setNames are the processor's instruction sets, or plain Go where there are
// no kernels for it.
func setNames() []string {
	var names []string
	for _, s := range kernel.Sets() {
		names = append(names, s.Name)
	}
	if names == nil {
		names = []string{"go"}
	}
	return names
}

// print is the table.
func (s *selftest) print(out io.Writer) error {
	show.Fprintf(out, "mil %s, %s, %d threads\n", s.Version, s.Platform, s.Threads)
	if s.CPU != "" {
		show.Fprintln(out, s.CPU)
	}
	if err := printDevices(out, false); err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nbackend\tconformance\ttranscripts\tprompt tok/s\tgen tok/s\t")
	var failures []string
	for _, r := range s.Backends {
		name := strings.TrimSpace(r.Backend + " " + r.ISA)
		if r.NotTested != "" {
			show.Fprintf(w, "%s\tnot tested: %s\n", name, errors.New(r.NotTested))
			continue
		}
		verdict := "ok"
		if len(r.Failures) > 0 {
			verdict = "FAILED"
		}
		show.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", name, r.Conformance, r.Transcripts, units.Rate(r.PromptTokS), units.Rate(r.GenTokS), verdict)
		for _, e := range r.Failures {
			failures = append(failures, name+": "+e)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, e := range failures {
		show.Fprintln(out, errors.New(e))
	}
	return nil
}
