package format

import (
	"errors"
	"os"
	"syscall"
)

// Windows' names for a disk without space.
const (
	errorHandleDiskFull = syscall.Errno(39)
	errorDiskFull       = syscall.Errno(112)
)

func isDiskFull(err error) bool {
	return errors.Is(err, errorDiskFull) || errors.Is(err, errorHandleDiskFull)
}

// syncDir does nothing: Windows has no way to flush a folder.
func syncDir(string) error { return nil }

// lock has nothing to do: Windows refuses to remove a file that is open.
func lock(*os.File) bool { return true }

// removeDead removes a file that no process has open.
func removeDead(path string) { os.Remove(path) }
