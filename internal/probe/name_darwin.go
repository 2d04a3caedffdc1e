package probe

import "golang.org/x/sys/unix"

// ProcessorName is what the processor calls itself, "" where it does not say.
func ProcessorName() string {
	name, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return ""
	}
	return name
}
