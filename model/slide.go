package model

import (
	"fmt"
	"math"

	"github.com/mil-run/mil/backend"
)

// Pin says that the caches must keep the first n tokens, the system prompt's.
func (s *Session) Pin(n int) { s.pinned = n }

// Pinned is what Pin was told.
func (s *Session) Pinned() int { return s.pinned }

// Dropped is how many tokens of the timeline the caches have no longer.
func (s *Session) Dropped() int { return s.dropped }

// Room is how many more tokens can be fed.
func (s *Session) Room() int {
	if s.o.Slide {
		return math.MaxInt32 - len(s.tokens)
	}
	return s.o.Context - len(s.tokens)
}

// held is how many positions the caches hold.
func (s *Session) held() int { return len(s.tokens) - s.dropped }

// floor is the position behind the pinned ones: at least one unit stays, since
// attention leans on a text's first tokens (Xiao et al., "Efficient Streaming
// Language Models with Attention Sinks", 2023).
func (s *Session) floor() int {
	return (max(s.pinned, 1) + backend.CacheUnit - 1) / backend.CacheUnit * backend.CacheUnit
}

// longest is the most tokens of a pass that sliding can make room for.
func (s *Session) longest() int {
	if !s.o.Slide {
		return s.o.Context
	}
	return max(1, (s.o.Context-s.floor())/2)
}

// slide drops the oldest positions behind the pinned ones, half of them or what n
// more tokens need: the rest moves up. Keys keep the rotation of their places in
// the text, and so do their distances; [backend.Params.Shift] gives the next ones
// theirs.
func (s *Session) slide(n int) error {
	const unit, step = backend.CacheUnit, 512
	floor, held := s.floor(), s.held()
	drop := max(held+n-s.o.Context, (s.o.Context-floor)/2)
	drop = (drop + unit - 1) / unit * unit
	if drop > held-floor {
		drop = (held - floor) / unit * unit
	}
	if drop <= 0 || held-drop+n > s.o.Context {
		return fmt.Errorf("%w: %d tokens stay at its beginning, and %d more are over %d", ErrContext, floor, n, s.o.Context)
	}
	end := (held + unit - 1) / unit * unit
	var rows []byte
	for i := range s.caches() {
		for from := floor + drop; from < end; from += step {
			to := min(from+step, end)
			var err error
			if rows, err = s.ReadCache(i, from, to, rows[:0]); err != nil {
				return err
			}
			if err := s.WriteCache(i, from-drop, to-drop, rows); err != nil {
				return err
			}
		}
	}
	s.dropped += drop
	return nil
}
