package memory

import (
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func measure() (int64, bool) {
	var limit unix.Rlimit
	space := int64(unknown)
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil && limit.Cur < math.MaxInt64 {
		space = int64(limit.Cur)
	}
	return system{"/"}.free(space, int64(os.Getpagesize()))
}

// system is the files in which Linux says so, below a folder.
type system struct{ root string }

// free is the least of three limits: the machine's available memory, the rest
// that cgroups leave, and the rest of the address space, whose size for the
// process is space.
func (s system) free(space, page int64) (int64, bool) {
	known := []int64{s.available()}
	if space >= 0 {
		if used := first(s.read("proc/self/statm")); used >= 0 {
			known = append(known, max(0, space-used*page))
		}
	}
	return least(append(known, s.groups()...)...)
}

// available is MemAvailable of /proc/meminfo.
func (s system) available() int64 {
	if kb := field(s.read("proc/meminfo"), "MemAvailable:"); kb >= 0 {
		return kb << 10
	}
	return unknown
}

// groups is the memory that each cgroup above the process leaves, of version 2 and 1.
func (s system) groups() (left []int64) {
	for _, line := range strings.Split(s.read("proc/self/cgroup"), "\n") {
		part := strings.SplitN(line, ":", 3)
		if len(part) < 3 {
			continue
		}
		base, most, used := "sys/fs/cgroup", "memory.max", "memory.current"
		switch {
		case strings.Contains(","+part[1]+",", ",memory,"):
			base, most, used = "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
		case part[1] != "":
			continue
		}
		// A container may see its own group as the root, whatever the path says.
		for dir := path.Clean("/" + part[2]); ; dir = path.Dir(dir) {
			at := path.Join(base, dir)
			if limit := first(s.read(path.Join(at, most))); limit >= 0 && limit < math.MaxInt64>>1 {
				stat := s.read(path.Join(at, "memory.stat"))
				pages := max(0, field(stat, "inactive_file")) + max(0, field(stat, "active_file")) // given back when needed
				in := max(0, first(s.read(path.Join(at, used)))-pages)
				left = append(left, max(0, limit-in))
			}
			if dir == "/" {
				break
			}
		}
	}
	return left
}

func (s system) read(name string) string {
	b, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		return ""
	}
	return string(b)
}

// first is the number that a text begins with; field the one behind a word at the
// beginning of a line.
func first(text string) int64 {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return unknown
	}
	return n
}

func field(text, name string) int64 {
	for _, line := range strings.Split(text, "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			return first(f[1])
		}
	}
	return unknown
}
