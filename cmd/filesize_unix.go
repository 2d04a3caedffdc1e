//go:build unix

package cmd

import (
	"os/signal"
	"syscall"
)

// ignoreFileSize makes a write beyond the limit on files' sizes an error, which ends
// the process otherwise.
func ignoreFileSize() { signal.Ignore(syscall.SIGXFSZ) }
