//go:build unix

package cmd_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/mil-run/mil/cmd"
)

// interrupter sends itself Ctrl-C when the first text comes.
type interrupter struct {
	text   bytes.Buffer
	caught chan os.Signal
}

func (w *interrupter) Write(p []byte) (int, error) {
	if w.text.Len() == 0 {
		syscall.Kill(os.Getpid(), syscall.SIGINT)
		<-w.caught // so it was delivered
	}
	return w.text.Write(p)
}

// Ctrl-C ends a reply: what was said stays, and the status tells.
func TestInterruptedRun(t *testing.T) {
	w := &interrupter{caught: make(chan os.Signal, 1)}
	signal.Notify(w.caught, syscall.SIGINT)
	defer signal.Stop(w.caught)
	args := []string{"run", "--raw", "--no-stdin", "--ctx", "8192", "--seed", "1", "--temp", "2", "Once upon a time"}
	err := cmd.Execute(args, strings.NewReader(""), w, w)
	if !errors.Is(err, context.Canceled) || cmd.Status(err) != 130 || !strings.HasSuffix(w.text.String(), "\n") || w.text.Len() < 2 {
		t.Errorf("%v, status %d, %q", err, cmd.Status(err), w.text.String())
	}
}
