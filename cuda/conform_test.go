package cuda

import (
	"fmt"
	"strings"
	"testing"

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

// conforms holds a case against the naive backend, and rows alone against those in
// company and prompts in pieces against whole ones.
func conforms(c *conform.Case, b *Backend) error {
	if err := c.Check(b); err != nil {
		return err
	}
	return c.Company(b)
}

// Every node on the device.
func TestConform(t *testing.T) {
	b := device(t)
	for _, c := range conform.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := conforms(&c, b); err != nil {
				t.Error(err)
			}
		})
	}
}

// The same where a Hopper chip multiplies as those before it do.
func TestConformPacked(t *testing.T) {
	b := device(t)
	if b.device.cc != hopper {
		t.Skipf("%s has other tensor cores", b.device.Name)
	}
	unpackFirst(t, false)
	for _, c := range conform.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			if err := conforms(&c, b); err != nil {
				t.Error(err)
			}
		})
	}
}

// Attention where parts are longer than what is on its way at once.
func TestConformFlashDecode(t *testing.T) {
	b := device(t)
	for _, parts := range []int{1, 2} {
		was := flashParts
		flashParts = parts
		t.Cleanup(func() { flashParts = was })
		for _, c := range conform.Cases() {
			if strings.HasPrefix(c.Name, "attention") {
				t.Run(fmt.Sprint(c.Name, ", parts ", parts), func(t *testing.T) {
					if err := conforms(&c, b); err != nil {
						t.Error(err)
					}
				})
			}
		}
	}
}

// The same with the kernels of chips before: without tensor cores, and without
// Hopper's copies.
func TestConformOlder(t *testing.T) {
	for _, old := range []Device{{cc: 75, shared: 64 << 10}, {cc: 80, shared: 163 << 10}, {cc: 86, shared: 99 << 10}} {
		b := device(t)
		if b.device.cc <= old.cc {
			continue
		}
		old.Name, old.device, old.processors, old.Total = b.device.Name, b.device.device, b.device.processors, b.device.Total
		b.device, b.modules = old, newModules(b.d, images(), old)
		for _, c := range conform.Cases() {
			t.Run(fmt.Sprintf("%d/%s", old.cc, c.Name), func(t *testing.T) {
				if err := conforms(&c, b); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// unpackFirst sets wgmmaPrompts for a test.
func unpackFirst(t *testing.T, on bool) {
	was := wgmmaPrompts
	wgmmaPrompts = on
	t.Cleanup(func() { wgmmaPrompts = was })
}
