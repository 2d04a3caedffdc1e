package cmd

import (
	"io"
	"text/tabwriter"

	"github.com/mil-run/mil/internal/devices"
	"github.com/mil-run/mil/internal/kernel"
	"github.com/mil-run/mil/internal/show"
)

// cpuInfo is the JSON of `mil info --cpu --json`.
type cpuInfo struct {
	Used       string    `json:"used"`
	Why        string    `json:"why"`
	Sets       []setInfo `json:"sets"`
	Threads    int       `json:"threads"`
	ThreadsWhy string    `json:"threads_why"`
}

type setInfo struct {
	Name      string `json:"name"`
	Available bool   `json:"available"`
	Needs     string `json:"needs"`
}

func describeCPU() cpuInfo {
	i := cpuInfo{Used: "go", Why: "there are no kernels for this processor"}
	i.Sets = append(i.Sets, setInfo{Name: "go", Available: true, Needs: "nothing: plain Go"})
	for _, k := range kernel.Known() {
		i.Sets = append(i.Sets, setInfo{Name: k.Name, Available: k.Have, Needs: k.Needs})
	}
	if best := kernel.Best(); best != nil {
		i.Used, i.Why = best.Name, "the best this processor has; --isa takes another"
	}
	i.Threads, i.ThreadsWhy = devices.Threads()
	return i
}

func printCPU(out io.Writer, asJSON bool) error {
	i := describeCPU()
	if asJSON {
		return printJSON(out, i)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	show.Fprintf(w, "instruction set\t%s: %s\n", i.Used, i.Why)
	for _, s := range i.Sets {
		have := "available"
		if !s.Available {
			have = "not here"
		}
		show.Fprintf(w, "  %s\t%s\tneeds %s\n", s.Name, have, s.Needs)
	}
	show.Fprintf(w, "threads\t%d: %s\n", i.Threads, i.ThreadsWhy)
	return w.Flush()
}
