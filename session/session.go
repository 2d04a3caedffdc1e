// Package session keeps conversations on disk: a [File] holds a session's
// tokens, its keys and values and its recurrent state, and grows by what each
// turn adds. docs/sessions.md describes the format and what it promises.
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
	c       *content     // what it holds
	changes int          // of the session, when it was written last
	lost    map[int]bool // what slides of the session took that the file has, by its ID
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

// Append adds what is new since the last turn. After an error the file is as it
// was; where that wraps ErrLost, it is another's or gone.
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
	for _, l := range s.Lost() {
		for _, rows := range l.Rows {
			n += len(rows)
		}
	}
	return n
}

// Save writes a session and where its conversation stands to a file of its own,
// whole or not at all. It takes no file's place that a process keeps a session in.
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
