//go:build unix

package whole

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// replacesOpen says that a file may take the name of one that is open.
const replacesOpen = true

func rename(temp, path string) error { return os.Rename(temp, path) }

// open never waits for what a pipe's other end does.
func open(path string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag|syscall.O_NONBLOCK, perm)
}

// syncDir makes a renaming in a folder durable. Some filesystems cannot, which
// takes nothing from the file itself.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return nil // a folder one may write in and not read
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// linkNew gives a file a second name, which must be free, and takes the first
// away. File systems without links get a look before the renaming instead.
func linkNew(temp, path string) error {
	switch err := os.Link(temp, path); {
	case err == nil:
		return os.Remove(temp)
	case errors.Is(err, fs.ErrExist):
		return fs.ErrExist
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	return os.Rename(temp, path)
}
