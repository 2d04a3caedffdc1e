package schedule

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

func isErr(err, target error) bool { return errors.Is(err, target) }

func files(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// resident is the memory that the process has: what the system says on Linux, and
// the collector's share elsewhere.
func resident(t *testing.T) uint64 {
	t.Helper()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		var all, here uint64
		if _, err := fmt.Sscan(string(b), &all, &here); err != nil {
			t.Fatal(err)
		}
		return here * uint64(os.Getpagesize())
	}
	return m.HeapAlloc
}
