package cmd

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible is a context that ends when the command should: at Ctrl-C, at a
// shutdown, when its terminal closes (but under nohup).
func interruptible() (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signal.NotifyContext(context.Background(), signals...)
}
