package session

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mil-run/mil/internal/lock"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/model"
)

// ErrLost says that a session's file is no longer as its owner wrote it. Errors
// that wrap it say what happened to it. The session itself still has
// everything.
var ErrLost = errors.New("this turn is in no file")

// take opens the file at f.path and makes this process its owner, or begins one
// that is owned from its first byte on.
func (f *File) take(h *header) (fresh bool, err error) {
	for range 100 {
		f.f, err = owned(f.path)
		if !errors.Is(err, fs.ErrNotExist) {
			if errors.Is(err, errMoved) {
				continue
			}
			if err == nil {
				whole.Sweep(f.path)
			}
			return false, err
		}
		f.f, err = begin(f.path, h)
		if !errors.Is(err, fs.ErrExist) {
			return true, err
		}
	}
	return false, err
}

// errMoved says that another file took the name while this one was opened.
var errMoved = errors.New("others keep taking its name")

// owned opens a file that is there, for this process alone.
func owned(path string) (*os.File, error) {
	if err := regular(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	switch err = lock.Own(f); {
	case errors.Is(err, lock.ErrBusy):
		err = fmt.Errorf("%w; wait until it ends, or take another file", err)
	case errors.Is(err, lock.ErrNone):
		err = fmt.Errorf("%w, and two chats at once would spoil it; take a file elsewhere", err)
	case err == nil && !lock.Names(path, f):
		err = errMoved
	}
	if err != nil {
		lock.Release(f)
		f.Close()
		return nil, err
	}
	return f, nil
}

// begin makes a file without turns.
func begin(path string, h *header) (*os.File, error) {
	b, err := h.encode()
	if err != nil {
		return nil, err
	}
	w, err := whole.Create(path, whole.Options{Perm: 0o600, New: true, Own: true})
	if err != nil {
		return nil, err
	}
	defer w.Abort()
	if _, err := w.WriteAt(b, 0); err != nil {
		return nil, err
	}
	return w.Keep()
}

// here says whether the name still belongs to the file, and the file is as it
// was written. Errors wrap ErrLost.
func (f *File) here() error {
	lost := func(what string) error {
		return fmt.Errorf("%s while the chat was kept in it, and %w", what, ErrLost)
	}
	if f.f == nil {
		return lost("another process took it")
	}
	if !lock.Names(f.path, f.f) {
		if _, err := os.Lstat(f.path); err == nil {
			return lost("another file took its place")
		}
		return lost("it was removed or moved")
	}
	st, err := f.f.Stat()
	if err != nil {
		return err
	}
	front, head := make([]byte, headSize), make([]byte, headSize)
	_, err = f.f.ReadAt(front, 0)
	if _, bad := f.f.ReadAt(head, int64(f.c.last)); err != nil || bad != nil || st.Size() < int64(f.c.end) || !bytes.Equal(front, f.c.front) || !bytes.Equal(head, f.c.head) {
		return lost("another program changed it")
	}
	return nil
}

// Is says whether path is the file's, or leads to it.
func (f *File) Is(path string) bool {
	a, err := filepath.Abs(path)
	b, bad := filepath.Abs(f.path)
	return err == nil && bad == nil && a == b || f.f != nil && lock.Names(path, f.f)
}

// Renew is Append that makes the file anew where it is no longer there.
func (f *File) Renew(s *model.Session, t Turn) error {
	err := f.Append(s, t)
	if errors.Is(err, ErrLost) {
		err = named(f.path, f.rewrite(s, t))
	}
	return err
}

// rewrite writes the file anew, with the present turn alone. The new file is
// owned before it has the name, and the old one while it has it.
func (f *File) rewrite(s *model.Session, t Turn) error {
	put, err := single(s, t)
	if err != nil {
		return err
	}
	w, err := whole.Create(f.path, whole.Options{Perm: 0o600, Own: true, Over: f.f})
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := put(w.File); err != nil {
		return err
	}
	file, err := w.Keep()
	if err != nil {
		if _, closed := f.f.Stat(); closed != nil { // as some systems need it
			f.f, _ = owned(f.path)
		}
		return err
	}
	f.f = file
	return mapFile(f.f, func(b []byte) error {
		c, err := parse(b, f.f)
		if err == nil {
			f.c = c
			f.mark(s)
		}
		return err
	})
}
