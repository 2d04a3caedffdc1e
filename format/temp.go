package format

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// createTemp makes a file of a name nobody has, with the permissions a file
// gets here (os.CreateTemp's are narrower), and locks it, so that no sweep of
// another process takes it for a left one.
func createTemp(dir, prefix string) (*os.File, error) {
	for try := 0; ; try++ {
		name := dir + prefix + strconv.FormatUint(rand.Uint64(), 36)
		file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		switch {
		case err == nil && held(file):
			return file, nil
		case err == nil: // a sweep came between
			file.Close()
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		}
		if try == 100 {
			return nil, fs.ErrExist
		}
	}
}

// held locks a new file and says whether it is still there.
func held(file *os.File) bool {
	if !lock(file) {
		return false
	}
	at, err := os.Stat(file.Name())
	if err != nil {
		return false
	}
	st, err := file.Stat()
	return err == nil && os.SameFile(at, st)
}

// sweep removes the temporary files of processes that were killed.
func sweep(dir, prefix string) {
	entries, err := os.ReadDir(filepath.Join(dir, "."))
	if err != nil {
		return // a folder one may write in and not read
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasPrefix(e.Name(), prefix) {
			removeDead(filepath.Join(dir, e.Name()))
		}
	}
}
