package model

import (
	"errors"
)

// Snapshot is a session's recurrent state at one point of its timeline. Keys
// and values stay in the session, which keeps them by position. So going back
// only needs their length. Attention with a window keeps the last ones alone, so
// going back further than these is [ErrSnapshot].
type Snapshot struct {
	line   line
	logged int
	// dropped is how many tokens the caches had lost.
	dropped int
	data    [][]byte
}

// Len is how many tokens lie before the snapshot.
func (n *Snapshot) Len() int { return n.line.len() }

// Tokens is a copy of the timeline before the snapshot.
func (n *Snapshot) Tokens() []int32 { return n.line.tokens() }

// Begins reports whether tokens begin with the snapshot's.
func (n *Snapshot) Begins(tokens []int32) bool { return n.line.begins(tokens) }

// Dropped is how many tokens the caches had lost there.
func (n *Snapshot) Dropped() int { return n.dropped }

// Snapshot keeps the present point of the timeline.
func (s *Session) Snapshot() (*Snapshot, error) {
	n := &Snapshot{line: s.line(len(s.tokens)), logged: s.logged, dropped: s.dropped}
	for _, st := range s.recurrent() {
		b := make([]byte, st.Bytes)
		if err := s.seq.Buffer(st).Read(0, b); err != nil {
			return nil, err
		}
		n.data = append(n.data, b)
	}
	return n, nil
}

// State is the recurrent state, part by part, and how many of the last tokens
// lie only in its logs. The caller must not change it.
func (n *Snapshot) State() (state [][]byte, logged int) { return n.data, n.logged }

// Recall makes a snapshot behind the session's first tokens from the State and
// Dropped of that point.
func (s *Session) Recall(tokens int, state [][]byte, logged, dropped int) (*Snapshot, error) {
	if tokens < 0 || tokens > len(s.tokens) || dropped < 0 || dropped > tokens {
		return nil, errors.New("tokens and state do not fit the session")
	}
	if err := s.fits(s.tokens[:tokens], state, logged); err != nil {
		return nil, err
	}
	return &Snapshot{s.line(tokens), logged, dropped, state}, nil
}

// Bytes is the memory that belongs to the snapshot alone.
func (n *Snapshot) Bytes() int {
	sum := 4 * len(n.line.rest)
	for _, b := range n.data {
		sum += len(b)
	}
	return sum
}

// ErrSnapshot is returned when a snapshot's tokens are not the timeline's, or
// when the caches have lost for good the keys and values of that point.
var ErrSnapshot = errors.New("the snapshot is of another conversation")

// Restore goes back to a snapshot whose tokens the timeline starts with. The
// session is then as it was there, and later slides are undone. After
// ErrSnapshot it is as it was before the call.
func (s *Session) Restore(n *Snapshot) error {
	if !n.Begins(s.tokens) || !s.regains(n.dropped) || n.Len()-n.dropped > s.rt.o.Context || !s.holds(n.Len(), n.logged) {
		return ErrSnapshot
	}
	for s.dropped > n.dropped && len(s.lost) > 0 {
		if err := s.unslide(n.Len()); err != nil {
			s.failure = err
			return err
		}
	}
	for i, st := range s.recurrent() {
		if err := s.seq.Buffer(st).Write(0, n.data[i]); err != nil {
			return err
		}
	}
	s.cut(n.Len())
	if n.Len() == 0 {
		s.forget()
	}
	s.logged, s.settled, s.slid, s.dropped = n.logged, 0, false, n.dropped
	s.changes++
	return nil
}
