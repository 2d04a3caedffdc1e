// Package lock gives files owners: an owner keeps all others away, and others
// that only need a file to stay hold it together. A lock ends with its process.
package lock

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// Errors of Own and Hold.
var (
	// ErrBusy says that another has the file. Errors that wrap it say who, where the system tells.
	ErrBusy = errors.New("it is in use by another process")
	// ErrNone says that the file system knows no locks.
	ErrNone = errors.New("its file system cannot lock files")
)

// Own makes the caller the file's only owner until Release or the process's end;
// the file must be open for writing. It waits for no other owner.
func Own(f *os.File) error {
	err := patient(f, true)
	if err == nil {
		sign(f)
	}
	return err
}

// Hold keeps owners away, and lets others hold the file too.
func Hold(f *os.File) error { return patient(f, false) }

// Dead says whether nobody owns or holds a file, which must be open for writing
// and closed right after.
func Dead(f *os.File) bool { return take(f, true) == nil }

// patience is how long Own and Hold wait for who asks by Dead, or has just begun
// to own and not signed yet.
const patience = time.Second

func patient(f *os.File, alone bool) (err error) {
	for wait := time.Millisecond; wait < patience; wait *= 2 {
		if err = take(f, alone); !errors.Is(err, ErrBusy) {
			return err
		}
		if who := owner(f); who != "" {
			return fmt.Errorf("%w, %s", err, who)
		}
		time.Sleep(wait)
	}
	return err
}

// Release ends Own and Hold, also where mappings keep the file open.
func Release(f *os.File) { release(f) }

// Names says whether a path, whose links are followed, still names the open file.
func Names(path string, f *os.File) bool {
	at, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, err := f.Stat()
	return err == nil && os.SameFile(at, st)
}
