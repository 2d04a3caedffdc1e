package cpu

import (
	"fmt"
	"runtime"
)

// DefaultThreads is how many threads a backend gets that is asked for none, and
// the reason. It is one for each fast core the process may use. A second thread
// of a core brings nothing where the first waits for memory or keeps the vector
// units busy. The work of slow cores is lost where fast ones wait for them.
func DefaultThreads() (n int, why string) {
	cores := performanceCores()
	limit := runtime.GOMAXPROCS(0) // also the limit of a container
	switch {
	case cores <= 0:
		return limit, fmt.Sprintf("one for each of %d processors; the system does not tell its cores", limit)
	case cores > limit:
		return limit, fmt.Sprintf("as many as this process may use at once, of %d performance cores", cores)
	}
	return cores, fmt.Sprintf("one for each performance core, of %d processors", runtime.NumCPU())
}
