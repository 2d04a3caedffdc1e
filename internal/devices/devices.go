// Package devices is the table of the backends that compute on GPUs, beside the
// processor's. Package llm chooses among them.
package devices

import (
	"errors"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/cpu"
	"github.com/mil-run/mil/backend/gpu"
	"github.com/mil-run/mil/backend/split"
	"github.com/mil-run/mil/cuda"
	"github.com/mil-run/mil/metal"
)

// CPU is the name of the processor's backend.
const CPU = "cpu"

// Device is a backend beside the processor's.
type Device struct {
	Name   string
	Open   func(uploaded func(done, total int64)) (split.Device, error)
	Absent func(error) bool   // the error means only that this machine has none
	Advice func(error) string // on a device that does not open, or ""
	Chips  []gpu.Chip         // that passes can be planned for
	Chip   string             // of them, where none is named
	// Cost plans a pass on a chip, without the device.
	Cost func(p *backend.Program, tokens int, chip gpu.Chip) (backend.Cost, error)
}

// All are the devices, in the order in which they are tried. Tests set it.
var All = []Device{
	{
		Name: "cuda",
		Open: func(uploaded func(done, total int64)) (split.Device, error) {
			b, err := cuda.Open(cuda.Options{Progress: uploaded})
			if err != nil {
				return nil, err // and no nil pointer in an interface
			}
			return b, nil
		},
		Absent: func(err error) bool {
			return errors.Is(err, cuda.ErrAbsent) || errors.Is(err, cuda.ErrLeftOut) || errors.Is(err, cuda.ErrNoDevice)
		},
		Advice: func(err error) string {
			switch {
			case errors.Is(err, cuda.ErrAbsent):
				return "install NVIDIA's driver"
			case errors.Is(err, cuda.ErrLeftOut):
				return "take a mil that was built with them"
			case errors.Is(err, cuda.ErrOld):
				return "update NVIDIA's driver"
			case errors.Is(err, cuda.ErrNoDevice):
				return "see nvidia-smi and CUDA_VISIBLE_DEVICES"
			}
			return ""
		},
		Chips: cuda.Chips,
		Chip:  "8.0",
		Cost:  cuda.Cost,
	},
	{
		Name: "metal",
		Open: func(func(done, total int64)) (split.Device, error) {
			b, err := metal.Open()
			if err != nil {
				return nil, err
			}
			return b, nil
		},
		Absent: func(err error) bool { return errors.Is(err, metal.ErrAbsent) || errors.Is(err, metal.ErrNoDevice) },
		Advice: func(error) string { return "" },
		Chips:  metal.Chips,
		Chip:   "apple7",
		Cost:   metal.Cost,
	},
}

// Names are the names of all backends, the processor's first.
func Names() []string {
	names := []string{CPU}
	for _, d := range All {
		names = append(names, d.Name)
	}
	return names
}

// Threads is how many threads the processor's backend starts where no number is
// given, and why.
func Threads() (n int, why string) { return cpu.DefaultThreads() }

// Info is the GPUs of this machine: NVIDIA's cards, and the devices of Metal.
type Info struct {
	cuda.Devices
	Metal metal.Devices `json:"metal"`
}

// List looks for GPUs.
func List() Info { return Info{cuda.List(), metal.List()} }
