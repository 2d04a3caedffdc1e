package cpu

import "golang.org/x/sys/unix"

// performanceCores asks for the cores of the fastest kind, or on machines with
// one kind for all.
func performanceCores() int {
	for _, name := range []string{"hw.perflevel0.physicalcpu", "hw.physicalcpu"} {
		if n, err := unix.SysctlUint32(name); err == nil {
			return int(n)
		}
	}
	return 0
}
