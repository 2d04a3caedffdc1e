//go:build unix

package lock

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

func take(f *os.File, alone bool) error {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrBusy
		default:
			return fmt.Errorf("%w (%w)", ErrNone, err)
		}
	}
}

func release(f *os.File) { _ = unix.Flock(int(f.Fd()), unix.LOCK_UN) }

// signature is a byte far behind any file's end. Its owner locks it the other
// way too, since only that way tells others which process it is.
func signature() *unix.Flock_t {
	return &unix.Flock_t{Type: unix.F_WRLCK, Start: 1 << 40, Len: 1}
}

// sign is for messages alone, so it may fail.
func sign(f *os.File) { _ = unix.FcntlFlock(f.Fd(), unix.F_SETLK, signature()) }

// owner is the process that owns f, "" where it is this one or cannot be told.
func owner(f *os.File) string {
	who := signature()
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, who); err != nil || who.Type == unix.F_UNLCK || who.Pid <= 0 {
		return ""
	}
	if name := command(int(who.Pid)); name != "" {
		return fmt.Sprintf("%d (%s)", who.Pid, name)
	}
	return strconv.Itoa(int(who.Pid))
}
