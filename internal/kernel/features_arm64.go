package kernel

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

func features() []feature {
	// Every Apple processor since the M1 has the dot product; macOS does not tell
	// it in the way the package reads.
	have := cpu.ARM64.HasASIMDDP && cpu.ARM64.HasASIMDHP || runtime.GOOS == "darwin"
	return []feature{{"neon", 4, 4, have, "NEON with dot product and half precision (ARMv8.2)"}}
}
