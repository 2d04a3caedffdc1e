package model

import (
	"errors"

	"github.com/mil-run/mil/backend"
)

// Watch looks into a feed that may take long.
type Watch struct {
	// Stop is asked often, by several threads at once. Once it says true it must go
	// on saying so: the feed returns backend.ErrStopped soon.
	Stop func() bool
	// Read, which may be nil, is told how many of the feed's tokens have been
	// read. Within a pass it is an estimate.
	Read func(tokens int)
}

// look prepares for a pass that may be stopped. A pass writes keys and values
// only behind the timeline's end, but the recurrent state in place.
func (s *Session) look(e backend.Exec, tokens []int32) error {
	if s.watch.Stop() {
		return backend.ErrStopped
	}
	if _, ok := e.(backend.Watched); !ok {
		return nil
	}
	list := s.recurrent()
	if s.kept == nil {
		s.kept = make([][]byte, len(list))
		for i, st := range list {
			s.kept[i] = make([]byte, st.Bytes)
		}
	}
	for i, st := range list {
		if err := s.seq.Buffer(st).Read(0, s.kept[i]); err != nil {
			return err
		}
	}
	w := &backend.Watch{Stop: s.watch.Stop}
	if read, before := s.watch.Read, len(s.tokens)-s.fed; read != nil {
		w.Done = func(nodes, of int) { read(before + len(tokens)*nodes/of) }
	}
	s.params.Watch = w
	return nil
}

// goBack restores the recurrent state, which a stopped pass may have changed.
func (s *Session) goBack(stopped error) error {
	for i, st := range s.recurrent() {
		if err := s.seq.Buffer(st).Write(0, s.kept[i]); err != nil {
			return errors.Join(errors.New("going back behind a stopped pass"), err)
		}
	}
	return stopped
}
