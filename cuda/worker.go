package cuda

import "runtime"

// worker is the one OS thread that calls the driver: a context is current on a
// thread, and a capture belongs to the thread that began it.
type worker struct {
	calls chan func() error
	done  chan error
}

func newWorker() *worker {
	w := &worker{make(chan func() error), make(chan error)}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		for f := range w.calls {
			w.done <- f()
		}
		close(w.done)
	}()
	return w
}

// do runs f on the thread and waits for it. f must not call do.
func (w *worker) do(f func() error) error {
	w.calls <- f
	return <-w.done
}

// stop ends the thread.
func (w *worker) stop() {
	close(w.calls)
	<-w.done
}
