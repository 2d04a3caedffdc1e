package cmd

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// stopped is the signal that ended an interruptible context, for the exit status.
var stopped atomic.Value

// interruptible is a context that ends when the command should: at Ctrl-C, at a
// shutdown, and when its terminal closes (except under nohup).
func interruptible() (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, signals...)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case s := <-caught:
			stopped.Store(s)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(caught)
		cancel()
	}
}
