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
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/chat/repl"
	"github.com/mil-run/mil/cuda"
)

// openBackend starts what --backend names. With auto a machine without an
// NVIDIA driver or card says nothing, one whose card cannot be used says why.
func (f *runFlags) openBackend() (backend.Backend, error) {
	host, err := cpu.NewISA(f.threads, f.isa)
	if err != nil {
		return nil, fmt.Errorf("--isa: %w", err)
	}
	if f.backendName == "cpu" || f.gpuLayers == 0 && f.backendName == "auto" {
		return host, nil
	}
	progress := uploadProgress(f.warn)
	device, err := cuda.Open(cuda.Options{Progress: progress})
	switch {
	case err == nil:
		return split.New(device, host, f.gpuLayers, func(layers, of int) {
			if layers < of && f.gpuLayers == split.Fit {
				fmt.Fprintf(f.warn, "mil: the GPU's free memory takes %d of %d layers; the CPU computes the rest\n", layers, of)
			}
		}), nil
	case f.backendName == "cuda":
		host.Close()
		return nil, fmt.Errorf("--backend cuda: %w; %s", err, remedy(err))
	case !errors.Is(err, cuda.ErrAbsent) && !errors.Is(err, cuda.ErrNoDevice):
		fmt.Fprintf(f.warn, "mil: the GPU is not used: %v\n", err)
	}
	return host, nil
}

// remedy is what to do about a GPU that does not open.
func remedy(err error) string {
	switch {
	case errors.Is(err, cuda.ErrAbsent):
		return "install NVIDIA's driver or use --backend cpu"
	case errors.Is(err, cuda.ErrOld):
		return "update NVIDIA's driver or use --backend cpu"
	case errors.Is(err, cuda.ErrNoDevice):
		return "see nvidia-smi and CUDA_VISIBLE_DEVICES, or use --backend cpu"
	}
	return "use --backend cpu"
}

// checkBackend refuses flags that name nothing.
func (f *runFlags) checkBackend() error {
	switch f.backendName {
	case "auto", "cpu", "cuda":
	default:
		return fmt.Errorf("--backend %s is none of auto, cpu, cuda", f.backendName)
	}
	if f.gpuLayers < split.Fit || f.gpuLayers > split.All {
		return fmt.Errorf("--gpu-layers %d is not between 0 and %d", f.gpuLayers, split.All)
	}
	return nil
}

// uploadProgress shows weights on their way to the device, where they take long
// enough for somebody at a terminal to wonder.
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

func printDevices(out io.Writer, asJSON bool) error {
	d := cuda.List()
	if asJSON {
		return printJSON(out, d)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if d.Driver != "" {
		fmt.Fprintf(w, "driver\tCUDA %s\n", d.Driver)
	}
	if d.Why != "" {
		fmt.Fprintf(w, "CUDA\t%s\n", repl.Visible(d.Why))
	}
	for _, v := range d.Devices {
		state := fmt.Sprintf("%.1f of %.1f GB free", float64(v.Free)/1e9, float64(v.Total)/1e9)
		if v.Why != "" {
			state = "cannot be used: " + repl.Visible(v.Why)
		}
		fmt.Fprintf(w, "device %d\t%s, compute capability %s, %s\n", v.Index, repl.Visible(v.Name), v.Capability, state)
	}
	return w.Flush()
}
