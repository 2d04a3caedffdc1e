// Package whole writes files that appear whole or not at all: every file that
// mil makes is written here, beside its place and under a lock, and takes its
// name when all of it is on disk.
package whole

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mil-run/mil/internal/lock"
)

// Options say how a file takes its name.
type Options struct {
	Perm fs.FileMode // subject to the umask
	// New files find their name free; else the error is fs.ErrExist.
	New bool
	// Own keeps others away from the file, from its first byte on, for who wants
	// it to stay open; see [File.Keep].
	Own bool
	// Over is the file that has the name, where the caller owns it. Any other
	// that somebody owns is left alone, and the error is lock.ErrBusy.
	Over *os.File
	// Loose files need not outlive a power failure, replace a link, and leave
	// the files of killed writers to SweepDir.
	Loose bool
}

// File is a file that is being written.
type File struct {
	*os.File
	path string // the place, behind links
	o    Options
	as   bool // it is a device or a pipe, written to as it is
	done bool
}

// Write makes or replaces the file at path with the bytes that write gives. The file
// gets its name when all of it is on disk; perm is subject to the umask. A link
// is followed, and a device or a pipe, which no file may take the place of, is
// written to as it is. Errors name the path.
func Write(path string, perm fs.FileMode, write func(io.Writer) error) error {
	return WriteFile(path, perm, func(f *os.File) error { return write(f) })
}

// WriteFile is Write for files that are not written from front to end.
func WriteFile(path string, perm fs.FileMode, write func(*os.File) error) error {
	f, err := Create(path, Options{Perm: perm})
	if err == nil {
		defer f.Abort()
		if err = write(f.File); err == nil {
			err = f.Commit()
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, Unpath(err))
	}
	return nil
}

// Unpath takes the path out of a system's error: it may be the temporary file's,
// or stand there already.
func Unpath(err error) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return p.Err
	case errors.As(err, &l):
		return l.Err
	}
	return err
}

// Create begins a file for the place at path, and removes the files of killed writers
// left of it. Who calls it calls Commit or Keep, and Abort, which does nothing
// after them.
func Create(path string, o Options) (*File, error) {
	if !o.Loose {
		path = behind(path)
	}
	f := &File{path: path, o: o}
	st, err := os.Lstat(path)
	switch {
	case err == nil && o.New:
		return nil, fs.ErrExist
	case err == nil && !st.Mode().IsRegular() && !o.Loose:
		f.as = true
		f.File, err = os.OpenFile(path, os.O_WRONLY, 0)
		return f, err
	}
	if !o.Loose {
		Sweep(path)
	}
	f.File, err = temporary(path, o)
	return f, err
}

// behind is where the links at a path lead, whether something is there or not.
func behind(path string) string {
	for range 40 {
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path
}

// Commit brings the file to the disk, gives it its name and closes it. After an
// error the file is gone, and an old file of that name is still there.
func (f *File) Commit() error {
	if err := f.publish(); err != nil {
		return err
	}
	return f.close()
}

// Keep is Commit for a file with Options.Own: it stays open, and owned by the
// caller. Options.Over is closed.
func (f *File) Keep() (*os.File, error) {
	err := f.publish()
	if err != nil {
		return nil, err
	}
	if replacesOpen {
		f.done = true
		return f.File, nil
	}
	// Opened anew, none may take its place there. Who comes between finds it whole.
	if err := f.close(); err != nil {
		return nil, err
	}
	again, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := lock.Own(again); err != nil {
		again.Close()
		return nil, err
	}
	return again, nil
}

// Abort removes a file that was neither committed nor kept.
func (f *File) Abort() {
	if f.done {
		return
	}
	temp := f.Name()
	if !f.as {
		os.Remove(temp) // while it is locked: a sweep may be at it too
	}
	f.close()
}

func (f *File) close() error {
	f.done = true
	lock.Release(f.File)
	return f.File.Close()
}

// publish gives the file its name while it is still locked, so that no sweep
// takes it for a dead writer's.
func (f *File) publish() error {
	if f.done {
		return fs.ErrClosed
	}
	if f.as {
		return nil
	}
	if !f.o.Loose {
		if err := f.Sync(); err != nil {
			f.Abort()
			return err
		}
	}
	if err := f.rename(); err != nil {
		f.Abort()
		return err
	}
	if f.o.Loose {
		return nil
	}
	if err := syncDir(filepath.Dir(f.path)); err != nil {
		f.close()
		return err
	}
	return nil
}

func (f *File) rename() error {
	if f.o.New {
		return renameNew(f.Name(), f.path)
	}
	if f.o.Loose {
		return rename(f.Name(), f.path)
	}
	over := f.o.Over
	if over == nil || !lock.Names(f.path, over) {
		held, err := hold(f.path)
		if err != nil {
			return err
		}
		if held != nil {
			defer held.Close()
		}
	}
	if over == nil {
		return rename(f.Name(), f.path)
	}
	if !replacesOpen {
		release(over)
	}
	err := rename(f.Name(), f.path)
	if err == nil && replacesOpen {
		release(over)
	}
	return err
}

func release(f *os.File) {
	lock.Release(f)
	f.Close()
}

// hold keeps owners away from a file until it is closed, and says
// whether somebody owns it. Where files cannot be locked, none is owned.
func hold(path string) (*os.File, error) {
	f, err := open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, nil // nothing there, or nothing one may read
	}
	err = lock.Hold(f)
	if errors.Is(err, lock.ErrBusy) {
		f.Close()
		return nil, fmt.Errorf("%w; take another file", err)
	}
	if !replacesOpen {
		f.Close()
		return nil, nil
	}
	return f, nil
}
