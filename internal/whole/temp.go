package whole

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/mil-run/mil/internal/lock"
)

// mark stands in a temporary file's name, behind the name it is to have.
const mark = ".tmp-"

// longest is how much of a long name is in the temporary file's, so that systems
// take that too.
const longest = 180

// prefix is the beginning of the temporary files' names for a name.
func prefix(base string) string {
	if len(base) > longest {
		base = strings.ToValidUTF8(base[:longest], "")
	}
	return "." + base + mark
}

// Target is the name that a temporary file was to have.
func Target(temp string) (base string, ok bool) {
	base, ok = strings.CutPrefix(temp, ".")
	at := strings.LastIndex(base, mark)
	if !ok || at < 0 {
		return "", false
	}
	return base[:at], true
}

// temporary makes a file of a name nobody has, with the permissions a file
// gets here (os.CreateTemp's are narrower), and locks it, so that no sweep of
// another process takes it for a left one.
func temporary(path string, o Options) (*os.File, error) {
	dir, base := filepath.Split(path)
	for try := 0; ; try++ {
		name := dir + prefix(base) + strconv.FormatUint(rand.Uint64(), 36)
		f, err := open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, o.Perm)
		if err == nil {
			if err = held(f, o.Own); err == nil {
				return f, nil
			}
			f.Close()
			if !errors.Is(err, lock.ErrBusy) { // else a sweep came between
				os.Remove(name)
				return nil, err
			}
		} else if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if try == 100 {
			return nil, err
		}
	}
}

// held locks a new file; where a sweep was faster the error is lock.ErrBusy.
func held(f *os.File, own bool) error {
	take := lock.Hold
	if own {
		take = lock.Own
	}
	err := take(f)
	if errors.Is(err, lock.ErrNone) && !own {
		return nil // nothing is taken for dead there either
	}
	if err == nil && !lock.Names(f.Name(), f) {
		return lock.ErrBusy
	}
	return err
}

// Sweep removes the temporary files that killed writers left of the file at
// path.
func Sweep(path string) {
	dir, base := filepath.Split(path)
	SweepDir(dir, func(temp string) bool { return strings.HasPrefix(temp, prefix(base)) })
}

// SweepDir removes a folder's temporary files that are left, whose names dead
// is asked about.
func SweepDir(dir string, dead func(temp string) bool) {
	entries, err := os.ReadDir(filepath.Join(dir, "."))
	if err != nil {
		return // a folder one may write in and not read
	}
	for _, e := range entries {
		if e.Type().IsRegular() && dead(e.Name()) {
			removeDead(filepath.Join(dir, e.Name()))
		}
	}
}

// removeDead removes a file that no process has locked.
func removeDead(path string) {
	f, err := open(path, os.O_RDWR, 0) // some systems give locks to writers alone
	if err != nil {
		return
	}
	defer f.Close()
	if lock.Dead(f) {
		os.Remove(path)
	}
}
