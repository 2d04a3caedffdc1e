// Package session keeps conversations on disk: a [File] holds a session's
// tokens, its keys and values and its recurrent state, and grows by what each
// turn adds. docs/sessions.md describes the format and what it promises.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/model"
)

// Turn is what a conversation adds to its session: messages, each in its own
// JSON, and a note.
type Turn struct {
	Messages []json.RawMessage
	Note     json.RawMessage
	// Points are points of the timeline to go back to, oldest first. A file has the
	// ends of its turns anyway.
	Points []Point
}

// Point is a point before the end.
type Point struct {
	Messages int // that the tokens up to it stand for
	Note     json.RawMessage
	Snap     *model.Snapshot
	Logits   []float32 // of the next token, or nil
}

// Page is how many positions of a cache are mapped together, at least. A page is
// written again once it is full; up to then only what is new is written.
const Page = 512

// File is a session file that grows. It is not for two goroutines.
type File struct {
	path    string
	f       *os.File
	c       *content // what it holds
	changes int      // of the session, when it was written last
}

// Found is what a file held.
type Found struct {
	Turn
	Tokens int
	Turns  int
	// Torn says that writing the last turn was cut off; the file is that of the
	// turn before.
	Torn bool
	// Foreign says that the caches were written by another backend or as another
	// type, so that the messages must be read anew.
	Foreign bool
}

// Open opens the session file at path for s alone and puts what it holds into s,
// or begins one; found is nil then. After an error s is as it was, or where
// reading failed behind the checks holds nothing. The file's
// pages are mapped: other programs must not change it.
func Open(path string, s *model.Session) (f *File, found *Found, err error) {
	f, found, err = open(path, s)
	if err != nil {
		return nil, nil, named(path, err)
	}
	return f, found, nil
}

func open(path string, s *model.Session) (*File, *Found, error) {
	h, err := headerOf(s)
	if err != nil {
		return nil, nil, err
	}
	_, err = os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		err = create(path, h)
	}
	if err != nil {
		return nil, nil, err
	}
	f := &File{path: path}
	if err := f.reopen(); err != nil {
		return nil, nil, err
	}
	found, err := f.load(s, h)
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	if fresh {
		found = nil
	}
	return f, found, nil
}

// reopen opens and locks the file.
func (f *File) reopen() (err error) {
	if err := regular(f.path); err != nil {
		return err
	}
	if f.f, err = os.OpenFile(f.path, os.O_RDWR, 0); err != nil {
		return err
	}
	if err = lock(f.f); err != nil {
		f.f.Close()
	}
	return err
}

// regular refuses what opening might wait on.
func regular(path string) error {
	switch st, err := os.Stat(path); {
	case err != nil:
		return err
	case st.IsDir():
		return errors.New("is a directory")
	case !st.Mode().IsRegular():
		return errors.New("is not a regular file")
	}
	return nil
}

// load reads the file into s.
func (f *File) load(s *model.Session, h *header) (found *Found, err error) {
	err = mapFile(f.f, func(b []byte) error {
		f.c, found, err = load(b, f.f, s, h)
		return err
	})
	if err != nil {
		return nil, err
	}
	f.mark(s)
	if found.Foreign { // nothing of it can be gone on from
		f.c.Parts = nil
	}
	return found, nil
}

func load(b []byte, f *os.File, s *model.Session, h *header) (*content, *Found, error) {
	c, err := read(b, f)
	if err != nil {
		return nil, nil, err
	}
	if c.Model != h.Model {
		return nil, nil, fmt.Errorf("%w: %s", ErrModel, c.Name)
	}
	found := &Found{Turn: Turn{Messages: c.messages, Note: c.note}, Tokens: len(c.tokens), Turns: c.records, Torn: c.torn}
	if !slices.Equal(c.Parts, h.Parts) {
		found.Foreign = true
		if err := c.verify(f); err != nil {
			return nil, nil, err
		}
		return c, found, s.Reset()
	}
	if n := len(c.tokens) - c.dropped; n > s.Context() {
		return nil, nil, fmt.Errorf("the session holds %d tokens, the context %d; take a larger one with --ctx", n, s.Context())
	}
	// What a session holds stays until all is checked. Caches of one that is empty
	// are checked where they are mapped, which the first token need not look at anew.
	fresh := len(s.Tokens()) == 0
	if !fresh {
		if err := c.verify(f); err != nil {
			return nil, nil, err
		}
	}
	put, err := c.fill(b, f, s)
	if !fresh {
		put = nil
	}
	if err == nil {
		err = verify(f, put, func() error { return c.begin(b, s) })
	}
	if err == nil {
		found.Points, err = c.recall(b, s)
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Reset())
	}
	return c, found, nil
}

// mark remembers that the file holds what s holds.
func (f *File) mark(s *model.Session) {
	f.changes = s.Changes()
	s.Clean()
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Close leaves the file to others.
func (f *File) Close() error {
	unlock(f.f)
	return f.f.Close()
}

// Append adds what is new since the last turn. After an error the file is as it
// was.
func (f *File) Append(s *model.Session, t Turn) error {
	if f.c.Parts == nil {
		return f.rewrite(s, t)
	}
	list, in, err := f.turn(s, t)
	if err != nil {
		return named(f.path, err)
	}
	if list == nil {
		return nil
	}
	if st, err := f.f.Stat(); err != nil || st.Size() != int64(f.c.end) {
		if err = errors.Join(err, f.f.Truncate(int64(f.c.end))); err != nil {
			return named(f.path, err)
		}
	}
	end, err := writeRecord(f.f, int64(f.c.end), f.c.records, list)
	if err != nil {
		f.f.Truncate(int64(f.c.end))
		return named(f.path, err)
	}
	f.c.tokens = append(f.c.tokens[:in.Keep], s.Tokens()[in.Keep:]...)
	f.c.messages, f.c.note, f.c.logged = slices.Clone(t.Messages), t.Note, in.Logged
	f.c.records, f.c.end = f.c.records+1, int(end)
	f.mark(s)
	if f.c.end > 2*f.size(s)+slack {
		return f.rewrite(s, t)
	}
	return nil
}

// slack is how many bytes that are no longer needed a file may always hold;
// beyond that it is written anew when they are more than those that are.
const slack = 64 << 20

// size is about what the file would take if it were written anew.
func (f *File) size(s *model.Session) (n int) {
	for _, p := range f.c.Parts {
		if p.Cache {
			n += roundUp(len(s.Tokens())-s.Dropped(), backend.CacheUnit) / backend.CacheUnit * p.Bytes
		} else {
			n += (1 + keptPoints) * p.Bytes
		}
	}
	return n
}

// rewrite writes the file anew, with the present turn alone.
func (f *File) rewrite(s *model.Session, t Turn) error {
	f.f.Close() // some systems do not let an open file be replaced
	bad := Save(f.path, s, t)
	if err := f.reopen(); err != nil {
		return errors.Join(bad, named(f.path, err))
	}
	if bad != nil {
		return bad
	}
	return named(f.path, mapFile(f.f, func(b []byte) (err error) {
		if f.c, err = parse(b, f.f); err == nil {
			f.mark(s)
		}
		return err
	}))
}

// Save writes a session and where its conversation stands to a file of its own,
// whole or not at all.
func Save(path string, s *model.Session, t Turn) error {
	h, err := headerOf(s)
	if err != nil {
		return err
	}
	b, err := h.encode()
	if err != nil {
		return err
	}
	empty := &File{c: &content{header: *h}, changes: -1}
	list, _, err := empty.turn(s, t)
	if err != nil {
		return err
	}
	return whole.WriteFile(path, 0o600, func(f *os.File) error {
		if _, err := f.WriteAt(b, 0); err != nil {
			return err
		}
		_, err := writeRecord(f, int64(len(b)), 0, list)
		return err
	})
}

// Load puts a saved session into s; errors are as Open's.
func Load(path string, s *model.Session) (found *Found, err error) {
	h, err := headerOf(s)
	if err != nil {
		return nil, err
	}
	if err := regular(path); err != nil {
		return nil, named(path, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	err = mapFile(f, func(b []byte) error {
		_, found, err = load(b, f, s, h)
		return err
	})
	if err != nil {
		return nil, named(path, err)
	}
	return found, nil
}

// create makes a file without turns.
func create(path string, h *header) error {
	b, err := h.encode()
	if err != nil {
		return err
	}
	return whole.WriteFile(path, 0o600, func(f *os.File) error {
		_, err := f.WriteAt(b, 0)
		return err
	})
}

func headerOf(s *model.Session) (*header, error) {
	id, err := s.Identity()
	return &header{Model: id, Name: s.Name(), Parts: s.Parts()}, err
}

// named puts the file's path before an error, in place of the system's.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("session %s: %w", path, unpath(err))
}
