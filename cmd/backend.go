package cmd

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/mil-run/mil/internal/devices"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
)

// chipNames are the values of --chip.
func chipNames() (names []string) {
	for _, d := range devices.All {
		for _, c := range d.Chips {
			names = append(names, c.Name)
		}
	}
	return names
}

// backendOf is the backend that a chip is for.
func backendOf(chip string) string {
	for _, d := range devices.All {
		for _, c := range d.Chips {
			if c.Name == chip {
				return d.Name
			}
		}
	}
	return ""
}

// uploadProgress shows weights on their way to the device, where they take long
// enough for somebody at a terminal to notice.
func uploadProgress(out io.Writer) func(done, total int64) {
	if !isTerminal(out) {
		return nil
	}
	var p *progress
	return func(done, total int64) {
		if total < 1<<30 {
			return
		}
		if p == nil {
			p = newProgress(out, "copying the weights to the GPU")
		}
		p.step(done, total)
		if done == total {
			p.end()
			p = nil
		}
	}
}

func printDevices(out io.Writer, asJSON bool) error {
	d := devices.List()
	if asJSON {
		return printJSON(out, d)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if d.Driver != "" {
		show.Fprintf(w, "driver\tCUDA %s\n", d.Driver)
	}
	if d.Why != "" {
		show.Fprintf(w, "CUDA\t%s\n", d.Why)
	}
	for _, v := range d.Devices.Devices {
		state := fmt.Sprintf("%s of %s free", units.Bytes(int64(v.Free)), units.Bytes(int64(v.Total)))
		if v.Why != "" {
			state = "cannot be used: " + v.Why
		}
		show.Fprintf(w, "device %d\t%s, compute capability %s, %s\n", v.Index, v.Name, v.Capability, state)
	}
	if d.Metal.Why != "" {
		show.Fprintf(w, "Metal\t%s\n", d.Metal.Why)
	}
	if v := d.Metal.Device; v != nil {
		show.Fprintf(w, "Metal\t%s, %s of %s free, buffers of up to %s\n", v.Name, units.Bytes(int64(v.Free)), units.Bytes(int64(v.Total)), units.Bytes(int64(v.MaxBuffer)))
	}
	return w.Flush()
}
