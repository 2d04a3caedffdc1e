// Package mistake makes errors of panics, which are mistakes of ours.
package mistake

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Error is a panic that was recovered from.
type Error struct {
	What any    // its value
	At   string // file and line
}

func (e *Error) Error() string { return fmt.Sprintf("a mistake of mil: %v at %s", e.What, e.At) }

// Recovered is the error of what recover returned. It is called by the deferred function
// or what that calls, so that the place can be found.
func Recovered(p any) *Error { return &Error{p, where()} }

// where is the place of the panic that is being recovered from.
func where() string {
	var at [64]uintptr
	frames := runtime.CallersFrames(at[:runtime.Callers(2, at[:])])
	panics := false
	for {
		f, more := frames.Next()
		ours := !strings.HasPrefix(f.Function, "runtime.")
		if panics && ours || !more {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		panics = panics || f.Function == "runtime.gopanic"
	}
}
