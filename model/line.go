package model

import "slices"

// piece is how many tokens of a timeline snapshots share in one list.
const piece = 256

// line is a timeline at an earlier moment. Its lists never change. Points of
// one timeline share them, so that many points take the tokens' memory once.
type line struct {
	shared [][]int32 // piece tokens each
	rest   []int32
}

// line is the first n tokens of the session's timeline.
func (s *Session) line(n int) line {
	for i := len(s.pieces); i < n/piece; i++ {
		s.pieces = append(s.pieces, slices.Clone(s.tokens[i*piece:(i+1)*piece]))
	}
	k := n / piece
	return line{s.pieces[:k:k], slices.Clone(s.tokens[k*piece : n])}
}

// cut takes all but the first n tokens from the timeline.
func (s *Session) cut(n int) {
	s.tokens = s.tokens[:n]
	if k := n / piece; k < len(s.pieces) {
		s.pieces = slices.Clip(s.pieces[:k]) // appended tokens must not reach an earlier line
	}
}

func (l *line) len() int { return piece*len(l.shared) + len(l.rest) }

// begins reports whether tokens begin with the line.
func (l *line) begins(tokens []int32) bool {
	if len(tokens) < l.len() {
		return false
	}
	for i, p := range l.shared {
		if !slices.Equal(p, tokens[i*piece:(i+1)*piece]) {
			return false
		}
	}
	return slices.Equal(l.rest, tokens[piece*len(l.shared):l.len()])
}

// tokens are a copy of the line's.
func (l *line) tokens() []int32 { return append(slices.Concat(l.shared...), l.rest...) }
