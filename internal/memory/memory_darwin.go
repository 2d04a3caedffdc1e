package memory

import "golang.org/x/sys/unix"

// measure is all of the machine's memory: macOS does not say without C what of it
// could be taken.
func measure() (int64, bool) {
	n, err := unix.SysctlUint64("hw.memsize")
	return int64(n), err == nil
}
