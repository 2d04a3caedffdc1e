//go:build unix && !race

package template

import (
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process has used of all cores, which does not depend on
// what else the machine does.
func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
