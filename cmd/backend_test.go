package cmd_test

import (
	"encoding/json"
	"runtime"
	"strings"
	"testing"

	"github.com/mil-run/mil/internal/devices"
)

func TestBackendFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run", "--backend", "vulkan", "hi"}, "--backend vulkan is none of auto, cpu, cuda, metal"},
		{[]string{"run", "--gpu-layers", "-2", "hi"}, "--gpu-layers -2 is not a whole number between -1 and 1048576"},
		{[]string{"info", "--devices", "model.bin"}, "mil info takes no argument, and \"model.bin\" is one"},
	} {
		if _, _, err := mil(t, "", c.args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.args, err, c.want)
		}
	}
}

// Without a card CUDA stops with what to do, and auto says nothing.
func TestNoDevice(t *testing.T) {
	out, _, err := mil(t, "", "info", "--devices", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var d devices.Info
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Devices.Devices) > 0 {
		t.Skip("there is a CUDA device here")
	}
	if d.Why == "" {
		t.Error("no devices, and nothing says why")
	}
	_, _, err = mil(t, "", "run", "--backend", "cuda", "--max-tokens", "1", "hi")
	if err == nil || !strings.HasPrefix(err.Error(), "--backend cuda: ") || !strings.HasSuffix(err.Error(), "use --backend cpu") || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	if runtime.GOOS != "darwin" {
		_, _, err = mil(t, "", "run", "--backend", "metal", "--max-tokens", "1", "hi")
		if err == nil || err.Error() != "--backend metal: no Metal: it needs macOS on Apple Silicon; use --backend cpu" {
			t.Errorf("%v", err)
		}
	}
	if strings.HasPrefix(d.Why, "no ") { // not where a driver is broken or old
		if _, errs, err := mil(t, "", "run", "What is 2 plus 3?", "--temp", "0"); err != nil || errs != "" {
			t.Errorf("auto: %q, %v", errs, err)
		}
	}
}
