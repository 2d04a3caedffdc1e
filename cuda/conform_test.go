package cuda

import (
	"errors"
	"testing"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/backend/conform"
)

// device is a backend on this machine's card, or the test is skipped.
func device(t testing.TB) *Backend {
	if _, err := choosePresent(); err != nil {
		t.Skipf("no CUDA device: %v", err)
	}
	b, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func choosePresent() (Device, error) {
	d, err := library()
	if err != nil {
		return Device{}, err
	}
	devices, _, err := probe(d)
	if err != nil {
		return Device{}, err
	}
	return choose(devices)
}

// Every node on the device, against the naive backend.
func TestConform(t *testing.T) {
	b := device(t)
	for _, c := range conform.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			e, err := c.Compare(b)
			if errors.Is(err, backend.ErrKVType) {
				t.Skip(err)
			}
			bound := 1e-5
			if c.Quantized {
				bound = 2e-2 // int8 activations of normal deviates: 0.6% a product, and some multiply two
			}
			if err != nil || !(e < bound) {
				t.Errorf("relative error %.1e, %v", e, err)
			}
		})
	}
}
