package cpu

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// fast is the part of the fastest core's speed from which a core counts as one
// of the fast ones.
const fast = 0.7

func performanceCores() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return 0
	}
	var usable []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			usable = append(usable, i)
		}
	}
	return countCores(os.DirFS("/sys/devices"), usable)
}

// countCores counts the fast cores among processors by the data under
// /sys/devices. It is 0 without such data.
func countCores(sys fs.FS, processors []int) int {
	best := 0.0
	speed := map[string]float64{} // by core
	for _, i := range processors {
		cpu := fmt.Sprintf("system/cpu/cpu%d/", i)
		core, ok := line(sys, cpu+"topology/thread_siblings_list")
		if !ok {
			return 0
		}
		v := 1.0
		for _, name := range []string{"cpu_capacity", "cpufreq/cpuinfo_max_freq"} {
			if s, ok := line(sys, cpu+name); ok {
				if f, err := strconv.ParseFloat(s, 64); err == nil {
					v = f
					break
				}
			}
		}
		if slow, ok := line(sys, "cpu_atom/cpus"); ok && inList(slow, i) {
			v *= fast / 2 // Intel's small cores, whose clock is not that much slower
		}
		speed[core] = max(speed[core], v)
		best = max(best, v)
	}
	n := 0
	for _, v := range speed {
		if v >= fast*best {
			n++
		}
	}
	return n
}

// line is a file's only line.
func line(sys fs.FS, name string) (string, bool) {
	b, err := fs.ReadFile(sys, name)
	return strings.TrimSpace(string(b)), err == nil
}

// inList says whether a list like 0-3,8 names processor i.
func inList(list string, i int) bool {
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 == nil && err2 == nil && a <= i && i <= b {
			return true
		}
	}
	return false
}
