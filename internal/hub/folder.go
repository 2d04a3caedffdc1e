package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mil-run/mil/internal/lock"
)

// lockName is the file by which one process has the folder; no repository's file
// can take its name.
const lockName = ".lock"

// Folder is where a repository's files go: under base, one a repository. One
// process at a time has it.
type Folder struct {
	*os.Root
	Path string
	lock *os.File
}

// OpenFolder makes the folder of a repository, or finds the one that an earlier download
// left. Where another process has it, it tells notice and waits.
func OpenFolder(ctx context.Context, base, repo string, notice func(string)) (*Folder, error) {
	dir := filepath.Join(base, filepath.FromSlash(repo))
	for told := false; ; {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		f, err := openLocked(dir)
		if !errors.Is(err, lock.ErrBusy) && !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		if !told && errors.Is(err, lock.ErrBusy) {
			told = true
			notice(fmt.Sprintf("%s is being downloaded already, %s; waiting for it to end", repo, show(strings.TrimPrefix(err.Error(), lock.ErrBusy.Error()+", "))))
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func openLocked(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{Root: root, Path: dir}
	if f.lock, err = root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o644); err != nil {
		root.Close()
		return nil, err
	}
	err = lock.Own(f.lock)
	if errors.Is(err, lock.ErrNone) {
		err = nil // a file system without locks: nobody can be told from us
	}
	if err == nil && !lock.Names(filepath.Join(dir, lockName), f.lock) {
		err = fs.ErrNotExist // who had it removed the folder
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// Close leaves the folder to others, with its files; an empty one goes.
func (f *Folder) Close() error {
	if f.lock == nil {
		return nil
	}
	if entries, err := fs.ReadDir(f.FS(), "."); err == nil && len(entries) == 1 {
		return f.Remove()
	}
	return f.close()
}

func (f *Folder) close() error {
	if f.lock != nil {
		f.lock.Close()
		f.lock = nil
	}
	return f.Root.Close()
}

// Remove removes the folder and everything in it, and the folders around it that
// are empty then.
func (f *Folder) Remove() error {
	entries, err := fs.ReadDir(f.FS(), ".")
	for _, entry := range entries {
		if entry.Name() == lockName {
			continue
		}
		if e := f.RemoveAll(entry.Name()); e != nil && err == nil {
			err = e
		}
	}
	// The name goes while we own it, so that who waits sees that it is gone.
	// Windows removes no open file.
	lockPath := filepath.Join(f.Path, lockName)
	gone := os.Remove(lockPath) == nil
	f.close()
	if !gone {
		os.Remove(lockPath)
	}
	os.Remove(f.Path)
	os.Remove(filepath.Dir(f.Path))
	os.Remove(filepath.Dir(filepath.Dir(f.Path)))
	return err
}
