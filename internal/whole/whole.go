// Package whole writes files that appear whole or not at all.
package whole

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
)

// Write makes or replaces the file at path with what write gives. The file
// gets its name when all of it is on disk; perm is subject to the umask. A link
// is followed, and a device or a pipe, which no file may take the place of, is
// written to as it is. Errors name the path.
func Write(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return WriteFile(path, perm, func(f *os.File) error { return write(f) })
}

// WriteFile is Write for what is not written from front to end.
func WriteFile(path string, perm fs.FileMode, write func(*os.File) error) error {
	if err := put(path, perm, write); err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err // its path may be the temporary file's
		}
		var l *os.LinkError
		if errors.As(err, &l) {
			err = l.Err
		}
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func put(path string, perm fs.FileMode, write func(*os.File) error) error {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	temp := path + ".tmp-" + strconv.FormatUint(rand.Uint64(), 36)
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}
