package serve

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mil-run/mil/internal/lock"
	"github.com/mil-run/mil/internal/whole"
	"github.com/mil-run/mil/serve/conversations"
)

// sessions is the folder of Options.Sessions, which one server owns.
type sessions struct {
	owner *os.File
	talks string // of conversations
	model string // of what models have read
}

// openSessions makes the folder where it is missing, and owns it.
func openSessions(dir string) (*sessions, error) {
	d := &sessions{talks: filepath.Join(dir, "conversations"), model: dir}
	named := func(err error) error { return fmt.Errorf("the folder of sessions %s: %w", dir, whole.Unpath(err)) }
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, named(err)
	}
	var err error
	if d.owner, err = os.OpenFile(filepath.Join(dir, "owner"), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, named(err)
	}
	if err := lock.Own(d.owner); err != nil {
		d.owner.Close()
		return nil, fmt.Errorf("the folder of sessions %s: %w; give each server its own", dir, err)
	}
	if err := os.Mkdir(d.talks, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, errors.Join(named(err), d.close())
	}
	return d, nil
}

// close leaves the folder to others.
func (d *sessions) close() error {
	lock.Release(d.owner)
	return d.owner.Close()
}

// openTalks opens the kept conversations and responses: in the folder of sessions, or in
// memory.
func (s *Server) openTalks() (err error) {
	l := s.o.Talks
	if s.o.Sessions == "" {
		s.talks = conversations.New(l)
		s.kept, err = openReplies("", s.warn)
		return err
	}
	if s.dir, err = openSessions(s.o.Sessions); err != nil {
		return err
	}
	if s.talks, err = conversations.Open(s.dir.talks, l, s.warn); err != nil {
		return errors.Join(err, s.dir.close())
	}
	if s.kept, err = openReplies(filepath.Join(s.o.Sessions, "responses"), s.warn); err != nil {
		return errors.Join(err, s.talks.Close(), s.dir.close())
	}
	return nil
}

// closeTalks leaves them, once.
func (s *Server) closeTalks() error {
	if s.left.Swap(true) {
		return nil
	}
	err := errors.Join(s.talks.Close(), s.kept.close())
	if s.dir != nil {
		err = errors.Join(err, s.dir.close())
	}
	return err
}
