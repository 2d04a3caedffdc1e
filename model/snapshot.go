package model

import (
	"errors"
	"slices"
)

// Snapshot is a session's recurrent state at one point of its timeline. Keys
// and values stay in the session: they are kept by position, so going back
// only needs their length.
type Snapshot struct {
	tokens []int32
	logged int
	// dropped is how many tokens the caches had lost.
	dropped int
	data    [][]byte
}

// Tokens is the timeline the snapshot stands after. The caller must not change
// it.
func (n *Snapshot) Tokens() []int32 { return n.tokens }

// Snapshot keeps the present point of the timeline.
func (s *Session) Snapshot() (*Snapshot, error) {
	n := &Snapshot{tokens: slices.Clone(s.tokens), logged: s.logged, dropped: s.dropped}
	for _, st := range s.recurrent() {
		b := make([]byte, st.Bytes)
		if err := st.Buf.Read(0, b); err != nil {
			return nil, err
		}
		n.data = append(n.data, b)
	}
	return n, nil
}

// State is the recurrent state, part by part, and how many of the last tokens
// lie only in its logs. The caller must not change it.
func (n *Snapshot) State() (state [][]byte, logged int) { return n.data, n.logged }

// Recall makes a snapshot of the session from what State gave, after tokens.
func (s *Session) Recall(tokens []int32, state [][]byte, logged int) (*Snapshot, error) {
	if err := s.fits(tokens, state, logged); err != nil {
		return nil, err
	}
	return &Snapshot{slices.Clone(tokens), logged, s.dropped, state}, nil
}

// Bytes is the memory the snapshot takes.
func (n *Snapshot) Bytes() int {
	sum := 4 * len(n.tokens)
	for _, b := range n.data {
		sum += len(b)
	}
	return sum
}

// ErrSnapshot is returned when a snapshot's tokens are not the timeline's.
var ErrSnapshot = errors.New("the snapshot is of another conversation")

// Restore goes back to a snapshot whose tokens the timeline starts with. What
// the caches lost since stays lost.
func (s *Session) Restore(n *Snapshot) error {
	if len(n.tokens) > len(s.tokens) || !slices.Equal(n.tokens, s.tokens[:len(n.tokens)]) {
		return ErrSnapshot
	}
	if n.dropped > s.dropped || s.dropped > 0 && len(n.tokens)-s.dropped < s.floor() {
		return ErrSnapshot
	}
	for i, st := range s.recurrent() {
		if err := st.Buf.Write(0, n.data[i]); err != nil {
			return err
		}
	}
	s.tokens, s.logged = s.tokens[:len(n.tokens)], n.logged
	s.changes++
	return nil
}
