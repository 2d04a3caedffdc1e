package cmd

import (
	"errors"
	"fmt"
	"io"

	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/cuda"
	"github.com/mil-run/mil/internal/show"
	"github.com/mil-run/mil/internal/units"
	"github.com/mil-run/mil/metal"
)

// accelerator is a backend beside the processor's.
type accelerator struct {
	name   string // as in --backend
	open   func(progress func(done, total int64)) (split.Device, error)
	absent func(error) bool        // the error means only that this machine has none
	remedy func(error) (do string) // advice on a device that does not open
	chips  []gpu.Chip              // that passes can be planned for
	chip   string                  // of them, where none is named
	cost   func(p *backend.Program, tokens int, chip gpu.Chip) (backend.Cost, error)
}

// accelerators are the GPU backends, in the order in which auto tries them.
var accelerators = []accelerator{
	{
		name: "cuda",
		open: func(progress func(done, total int64)) (split.Device, error) {
			b, err := cuda.Open(cuda.Options{Progress: progress})
			if err != nil {
				return nil, err // and no nil pointer in an interface
			}
			return b, nil
		},
		absent: func(err error) bool { return errors.Is(err, cuda.ErrAbsent) || errors.Is(err, cuda.ErrNoDevice) },
		remedy: func(err error) string {
			switch {
			case errors.Is(err, cuda.ErrAbsent):
				return "install NVIDIA's driver or use --backend cpu"
			case errors.Is(err, cuda.ErrOld):
				return "update NVIDIA's driver or use --backend cpu"
			case errors.Is(err, cuda.ErrNoDevice):
				return "see nvidia-smi and CUDA_VISIBLE_DEVICES, or use --backend cpu"
			}
			return "use --backend cpu"
		},
		chips: cuda.Chips,
		chip:  "8.0",
		cost:  cuda.Cost,
	},
	{
		name: "metal",
		open: func(func(done, total int64)) (split.Device, error) {
			b, err := metal.Open()
			if err != nil {
				return nil, err
			}
			return b, nil
		},
		absent: func(err error) bool { return errors.Is(err, metal.ErrAbsent) || errors.Is(err, metal.ErrNoDevice) },
		remedy: func(error) string { return "use --backend cpu" },
		chips:  metal.Chips,
		chip:   "apple7",
		cost:   metal.Cost,
	},
}

// openBackend starts the backend that --backend names. With auto, a machine
// without a GPU prints nothing, and a GPU that cannot be used is reported with
// the reason.
func (f *runFlags) openBackend() (backend.Backend, error) {
	host, err := cpu.NewISA(f.threads, f.isa)
	if err != nil {
		return nil, usagef("--isa: %w", err)
	}
	if f.backendName == "cpu" || f.gpuLayers == 0 && f.backendName == "auto" {
		return host, nil
	}
	for _, a := range accelerators {
		if f.backendName != "auto" && f.backendName != a.name {
			continue
		}
		device, err := a.open(uploadProgress(f.warn))
		switch {
		case err == nil:
			return split.New(device, host, f.gpuLayers, func(layers, of int) {
				if layers < of && f.gpuLayers == split.Fit {
					show.Fprintf(f.warn, "mil: the GPU's free memory takes %d of %d layers; the CPU computes the rest\n", layers, of)
				}
			}), nil
		case f.backendName == a.name:
			host.Close()
			return nil, fmt.Errorf("--backend %s: %w; %s", a.name, err, a.remedy(err))
		case !a.absent(err):
			show.Fprintf(f.warn, "mil: the GPU is not used: %v\n", err)
		}
	}
	return host, nil
}

// backendNames are the values of --backend.
func backendNames() []string {
	names := []string{"auto", "cpu"}
	for _, a := range accelerators {
		names = append(names, a.name)
	}
	return names
}

// chipNames are the values of --chip.
func chipNames() (names []string) {
	for _, a := range accelerators {
		for _, c := range a.chips {
			names = append(names, c.Name)
		}
	}
	return names
}

// backendOf is the backend that a chip is for.
func backendOf(chip string) string {
	for _, a := range accelerators {
		for _, c := range a.chips {
			if c.Name == chip {
				return a.name
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
	var bar *progressbar.ProgressBar
	return func(done, total int64) {
		if total < 1<<30 {
			return
		}
		if bar == nil {
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription("copying the weights to the GPU"),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
		bar.Set64(done)
		if done == total {
			bar.Clear()
			bar = nil
		}
	}
}

// devices is the JSON of `mil info --devices --json`: NVIDIA's cards, and the
// devices of Metal.
type devices struct {
	cuda.Devices
	Metal metal.Devices `json:"metal"`
}

func listDevices() devices { return devices{cuda.List(), metal.List()} }

func printDevices(out io.Writer, asJSON bool) error {
	d := listDevices()
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
