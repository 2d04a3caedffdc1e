package cpu

import (
	"fmt"
	"runtime"
	"testing"
	"testing/fstest"
)

// machine is a /sys/devices with one entry a processor: its siblings, and its
// speed in the file of that name.
func machine(speedFile string, siblings []string, speeds []int) fstest.MapFS {
	m := fstest.MapFS{}
	for i, s := range siblings {
		cpu := fmt.Sprintf("system/cpu/cpu%d/", i)
		m[cpu+"topology/thread_siblings_list"] = &fstest.MapFile{Data: []byte(s + "\n")}
		if speedFile != "" {
			m[cpu+speedFile] = &fstest.MapFile{Data: fmt.Appendln(nil, speeds[i])}
		}
	}
	return m
}

func TestCountCores(t *testing.T) {
	const freq = "cpufreq/cpuinfo_max_freq"
	intel := machine(freq, []string{"0-1", "0-1", "2-3", "2-3", "4", "5", "6", "7"}, []int{5200, 5200, 5000, 5000, 3900, 3900, 3900, 3900})
	intel["cpu_atom/cpus"] = &fstest.MapFile{Data: []byte("4-5,6,7\n")}
	for name, c := range map[string]struct {
		sys    fstest.MapFS
		usable []int
		want   int
	}{
		"virtual machine":   {machine("", []string{"0", "1"}, nil), []int{0, 1}, 2},
		"two threads each":  {machine(freq, []string{"0,2", "1,3", "0,2", "1,3"}, []int{5, 5, 5, 5}), []int{0, 1, 2, 3}, 2},
		"bound to a core":   {machine(freq, []string{"0,2", "1,3", "0,2", "1,3"}, []int{5, 5, 5, 5}), []int{1, 3}, 1},
		"Intel hybrid":      {intel, []int{0, 1, 2, 3, 4, 5, 6, 7}, 2},
		"its small cores":   {intel, []int{4, 5, 6}, 3},
		"ARM big and small": {machine("cpu_capacity", []string{"0", "1", "2", "3"}, []int{380, 380, 1024, 900}), []int{0, 1, 2, 3}, 2},
		"no word of cores":  {fstest.MapFS{}, []int{0, 1}, 0},
	} {
		if n := countCores(c.sys, c.usable); n != c.want {
			t.Errorf("%s: %d cores, want %d", name, n, c.want)
		}
	}
}

func TestDefaultThreads(t *testing.T) {
	n, why := DefaultThreads()
	if n < 1 || n > runtime.NumCPU() || why == "" {
		t.Errorf("%d threads: %q", n, why)
	}
	old := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(old)
	if n, why := DefaultThreads(); n != 1 {
		t.Errorf("where one may run: %d threads: %s", n, why)
	}
}
