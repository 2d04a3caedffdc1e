//go:build unix

package session

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

var errLocked = errors.New("another process uses it")

// lock keeps other processes' files of this package away until f is closed.
// Where a file system knows no locks, there is none.
func lock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return nil
}

// unlock leaves f to others before all of its mappings have gone.
func unlock(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }
