package probe

import (
	"runtime/debug"
	"sync/atomic"
)

// catch makes faults of this goroutine panics and returns a function that keeps one for
// the goroutine that waits.
func catch(fault *atomic.Pointer[any]) func() {
	debug.SetPanicOnFault(true)
	return func() {
		if r := recover(); r != nil {
			fault.CompareAndSwap(nil, &r)
		}
	}
}
