package probe

import "golang.org/x/sys/unix"

// ProcessorName is the processor's own name, "" where it does not say.
func ProcessorName() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}
