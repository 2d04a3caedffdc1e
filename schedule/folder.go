package schedule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/mil-run/mil/internal/lock"
)

// folders begin with this, in the system's folder of temporary files.
const folders = "mil-schedule-"

// ownerFile is locked for as long as the scheduler of its folder lives.
const ownerFile = "owner"

// makeFolder makes a folder for the files of requests that make room.
func makeFolder() (dir string, owner *os.File, err error) {
	if dir, err = os.MkdirTemp("", folders); err != nil {
		return "", nil, err
	}
	owner, err = os.OpenFile(filepath.Join(dir, ownerFile), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		if err = lock.Own(owner); errors.Is(err, lock.ErrNone) {
			err = nil // then nobody takes it for dead
		}
	}
	if err != nil {
		if owner != nil {
			owner.Close()
		}
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, owner, nil
}

// sweep removes the folders that killed schedulers left among the temporary files. One
// whose owner cannot be told stays.
func sweep() {
	list, err := os.ReadDir(os.TempDir())
	if err != nil {
		return
	}
	for _, d := range list {
		if d.IsDir() && strings.HasPrefix(d.Name(), folders) {
			sweepOne(filepath.Join(os.TempDir(), d.Name()))
		}
	}
}

func sweepOne(dir string) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer root.Close()
	if st, err := root.Lstat(ownerFile); err != nil || !st.Mode().IsRegular() {
		return
	}
	f, err := root.OpenFile(ownerFile, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if lock.Dead(f) {
		_ = os.RemoveAll(dir) // what another user owns stays
	}
}

// path is a new file's.
func (c *core) path() (string, error) {
	if c.dir == "" {
		if c.dir = c.o.Dir; c.dir == "" {
			var err error
			if c.dir, c.owner, err = makeFolder(); err != nil {
				return "", err
			}
		}
	}
	c.files++
	return fmt.Sprintf("%s/%d-%d.session", c.dir, os.Getpid(), c.files), nil
}

// leave removes the folder, if it was made here.
func (c *core) leave() error {
	if c.owner == nil {
		return nil
	}
	lock.Release(c.owner)
	return errors.Join(c.owner.Close(), os.RemoveAll(c.dir))
}
