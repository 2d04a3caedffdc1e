// Package session keeps conversations on disk. A [File] holds a session's
// tokens, its keys and values and its recurrent state, and grows with each
// turn. docs/sessions.md describes the format and its promises.
package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/internal/lock"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/model"
)

// Turn is a conversation's part in its session: messages, each in its own JSON,
// and a note.
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

// Page is the least number of positions of a cache that are mapped together. A
// page is written again once it is full. Before that only new positions are
// written.
const Page = 512

// File is a session file that grows. It is not for two goroutines.
type File struct {
	path    string
	f       *os.File
	c       *content     // of the file
	changes int          // of the session, when it was written last
	lost    map[int]bool // lost positions of slides that the file has, by the slide's ID
}

// Found is the conversation in a file.
type Found struct {
	Turn
	Tokens int
	Turns  int
	// Torn says that writing the last turn was cut off. The file is then that
	// of the turn before.
	Torn bool
	// Foreign says that the caches were written by another backend or as another
	// type, so that the messages must be read anew.
	Foreign bool
}

// Open opens the session file at path for s alone and puts its contents into s.
// It begins one where there is none, and found is then nil. After an error s is
// as it was, or empty where reading failed after the checks. The file's pages
// are mapped: other programs must not change it.
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
	f := &File{path: path}
	fresh, err := f.take(h)
	if err != nil {
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

// regular refuses files that an open might wait on.
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
	return found, nil
}

func load(b []byte, f *os.File, s *model.Session, h *header) (*content, *Found, error) {
	c, err := read(b, f, h)
	if err != nil {
		return nil, nil, err
	}
	found := &Found{Turn: Turn{Messages: c.messages, Note: c.note}, Tokens: len(c.tokens), Turns: c.records, Torn: c.torn, Foreign: c.foreign}
	if c.foreign { // nothing of it can be gone on from
		return c, found, s.Reset()
	}
	if n := len(c.tokens) - c.dropped; n > s.Context() {
		return nil, nil, &LargeError{n, s.Context()}
	}
	// A session's contents stay until all is checked. The caches of an empty
	// session are checked where they are mapped, so the first token need not
	// read them anew.
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

// mark notes that the file now has the contents of s.
func (f *File) mark(s *model.Session) {
	f.changes = s.Changes()
	f.lost = map[int]bool{}
	for _, l := range s.Lost() {
		f.lost[l.ID] = l.Dropped >= f.c.first
	}
	s.Clean()
}

// Path is where the file is.
func (f *File) Path() string { return f.path }

// Close leaves the file to others.
func (f *File) Close() error {
	if f.f == nil {
		return nil
	}
	lock.Release(f.f) // before all of its mappings have gone
	return f.f.Close()
}

// Append adds everything that is new since the last turn. After an error the
// file is as it was. Where the error wraps ErrLost, the file is another's or
// gone.
func (f *File) Append(s *model.Session, t Turn) error { return named(f.path, f.append(s, t)) }

func (f *File) append(s *model.Session, t Turn) error {
	if err := f.here(); err != nil {
		return err
	}
	if f.c.foreign {
		return f.rewrite(s, t)
	}
	list, in, err := f.turn(s, t)
	if err != nil || list == nil {
		return err
	}
	if st, err := f.f.Stat(); err != nil || st.Size() != int64(f.c.end) {
		if err = errors.Join(err, f.f.Truncate(int64(f.c.end))); err != nil {
			return err
		}
	}
	end, err := writeRecord(f.f, int64(f.c.end), f.c.records, list)
	if err != nil {
		f.f.Truncate(int64(f.c.end))
		return err
	}
	f.c.tokens = append(f.c.tokens[:in.Keep], s.Tokens()[in.Keep:]...)
	f.c.messages, f.c.note, f.c.logged = slices.Clone(t.Messages), t.Note, in.Logged
	f.c.first = in.Lost
	f.c.stand(in)
	f.c.head = make([]byte, headSize)
	if _, err := f.f.ReadAt(f.c.head, int64(f.c.end)); err != nil {
		return err
	}
	f.c.records, f.c.last, f.c.end = f.c.records+1, f.c.end, int(end)
	f.mark(s)
	if err := f.here(); err != nil { // it may have gone meanwhile
		return err
	}
	if f.c.end > 2*f.size(s)+slack {
		return f.rewrite(s, t)
	}
	return nil
}

// slack is how many unneeded bytes a file may always hold. Beyond that it is
// written anew when they are more than the needed ones.
const slack = 64 << 20

// size is about the file's length if it were written anew.
func (f *File) size(s *model.Session) (n int) {
	for i, p := range f.c.Parts {
		if p.Window > 0 {
			n += (roundUp(len(s.Tokens()), backend.CacheUnit) - s.Since(i)) / backend.CacheUnit * p.Bytes
		} else if p.Cache {
			n += roundUp(len(s.Tokens())-s.Dropped(), backend.CacheUnit) / backend.CacheUnit * p.Bytes
		} else {
			n += (1 + keptPoints) * p.Bytes
		}
	}
	for _, l := range s.Lost() {
		for _, rows := range l.Rows {
			n += len(rows)
		}
	}
	return n
}

// Save writes a session and the point of its conversation to a new file, whole
// or not at all. It replaces no file in which a process keeps a session.
func Save(path string, s *model.Session, t Turn) error {
	put, err := single(s, t)
	if err != nil {
		return err
	}
	return whole.WriteFile(path, 0o600, put)
}

// single writes a file of one turn.
func single(s *model.Session, t Turn) (func(*os.File) error, error) {
	h, err := headerOf(s)
	if err != nil {
		return nil, err
	}
	b, err := h.encode()
	if err != nil {
		return nil, err
	}
	empty := &File{c: &content{header: *h}, changes: -1}
	list, _, err := empty.turn(s, t)
	if err != nil {
		return nil, err
	}
	return func(f *os.File) error {
		if _, err := f.WriteAt(b, 0); err != nil {
			return err
		}
		_, err := writeRecord(f, int64(len(b)), 0, list)
		return err
	}, nil
}

// LargeError is the [model.ErrContext] about a session that does not fit.
type LargeError struct{ Tokens, Context int }

func (e *LargeError) Error() string {
	return fmt.Sprintf("the session holds %d tokens, the context %d", e.Tokens, e.Context)
}

func (e *LargeError) Unwrap() error { return model.ErrContext }

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

func headerOf(s *model.Session) (*header, error) {
	id, err := s.Identity()
	return &header{Model: id, Name: s.Name(), Parts: s.Parts()}, err
}

// named puts the file's path before an error, in place of the system's.
func named(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("session %s: %w", path, whole.Unpath(err))
}
