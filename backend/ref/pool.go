package ref

import (
	"runtime/debug"
	"sync"
)

// pool splits loops over goroutines.
type pool struct{ threads int }

func newPool(threads int) *pool { return &pool{threads} }

// each cuts [0,n) into one contiguous range a thread. Each is a multiple of
// step, except for the last. It calls f with the thread's number and its range.
//
// A fault while reading mapped memory (a file that shrank) is carried to the
// calling goroutine and raised there.
func (p *pool) each(n, step int, f func(thread, lo, hi int)) {
	units := (n + step - 1) / step
	workers := min(p.threads, units)
	if workers <= 1 {
		if n > 0 {
			f(0, 0, n)
		}
		return
	}
	var wg sync.WaitGroup
	var once sync.Once
	var fault any
	for w := 1; w < workers; w++ {
		lo, hi := units*w/workers*step, min(units*(w+1)/workers*step, n)
		wg.Go(func() {
			debug.SetPanicOnFault(true)
			defer func() {
				if r := recover(); r != nil {
					once.Do(func() { fault = r })
				}
			}()
			f(w, lo, hi)
		})
	}
	func() {
		defer wg.Wait() // also when f panics here: the others still use the arena
		f(0, 0, min(units/workers*step, n))
	}()
	if fault != nil {
		panic(fault)
	}
}
