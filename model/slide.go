package model

import (
	"fmt"
	"math"
	"slices"

	"github.com/mil-run/mil/backend"
)

// The timeline alone decides where a context slides. A slide comes when the
// caches are full and one more token is fed. It drops a number of positions
// that context and pinned tokens fix. No pass crosses that point, so it does
// not matter how many tokens a pass holds, or that some of them are taken back.

// Lost holds the keys and values that one slide took out of the caches. They
// are kept for a while, so that the session can go back behind the slide.
type Lost struct {
	ID      int      // no other slide of the session has it
	Dropped int      // tokens that the caches had lost before
	Count   int      // positions that the slide dropped
	Floor   int      // positions before them, which stayed
	Rows    [][]byte // what each cache held there, as ReadCache gives it
}

func (l *Lost) bytes() (n int) {
	for _, r := range l.Rows {
		n += len(r)
	}
	return n
}

// As many lost positions are kept as the caches hold, or lostPositions where
// that is more, while they fit lostBytes. Those of the last slide are always
// kept.
const (
	lostPositions = 2048
	lostBytes     = 512 << 20
)

// maxTimeline bounds a text, whose positions are int32 on GPUs.
const maxTimeline = math.MaxInt32

// Pin makes the caches keep the first n tokens, the system prompt's, at every
// later slide.
func (s *Session) Pin(n int) { s.pinned = n }

// Pinned is the number of tokens given to Pin.
func (s *Session) Pinned() int { return s.pinned }

// Dropped is how many tokens of the timeline the caches no longer have.
func (s *Session) Dropped() int { return s.dropped }

// Slides says whether a full context slides: the session was asked to, and has
// a unit of positions behind the pinned ones.
func (s *Session) Slides() bool { return s.rt.o.Slide && !s.stays && s.stride() > 0 }

// Stuck says whether the context should slide and cannot, since nothing is left
// behind the pinned tokens.
func (s *Session) Stuck() bool { return s.rt.o.Slide && !s.stays && s.stride() == 0 }

// Stay makes the session's text end with a full context, whatever the runtime's
// options say.
func (s *Session) Stay() { s.stays = true }

// Room is how many more tokens can be fed.
func (s *Session) Room() int {
	if s.Slides() {
		return maxTimeline - len(s.tokens)
	}
	return s.rt.o.Context - s.held()
}

// Left is how many more tokens can be fed before the context slides. A full
// context slides first. A pass of at most that many tokens can be taken back.
func (s *Session) Left() int {
	if left := s.rt.o.Context - s.held(); left > 0 || !s.Slides() {
		return left
	}
	return s.stride()
}

// held is how many positions the caches hold.
func (s *Session) held() int { return len(s.tokens) - s.dropped }

// floor is the position behind the pinned ones: at least one unit stays, since
// attention leans on a text's first tokens (Xiao et al., "Efficient Streaming
// Language Models with Attention Sinks", 2023).
func (s *Session) floor() int { return units(max(s.pinned, 1)) }

// units rounds up to whole units of a cache.
func units(n int) int {
	return (n + backend.CacheUnit - 1) / backend.CacheUnit * backend.CacheUnit
}

// stride is how many positions a slide drops: half of those behind the pinned
// ones, in whole units, at least one. It is 0 where there is none.
func (s *Session) stride() int {
	const unit = backend.CacheUnit
	free := s.rt.o.Context - s.floor()
	if free < unit {
		return 0
	}
	return max(unit, free/2/unit*unit)
}

// slide drops the oldest positions behind the pinned ones and moves the rest up, in
// all caches but rings. Keys keep the rotation of their places in the text, so their
// distances stay. [backend.Segment.Shift] gives the same to the next keys.
func (s *Session) slide() error {
	l := Lost{ID: s.changes, Dropped: s.dropped, Count: s.stride(), Floor: s.floor()}
	if l.Count == 0 {
		return fmt.Errorf("%w: %d of its %d tokens stay whatever comes", ErrContext, l.Floor, s.rt.o.Context)
	}
	for i := range s.sliding() {
		rows, err := s.ReadCache(i, l.Floor, l.Floor+l.Count, nil)
		if err != nil {
			return err
		}
		l.Rows = append(l.Rows, rows)
	}
	if err := s.move(l.Floor+l.Count, l.Floor, units(s.held())-l.Floor-l.Count); err != nil {
		return err
	}
	s.dropped += l.Count
	s.lost = append(s.lost, l)
	positions, bytes := 0, 0
	for i := len(s.lost) - 1; i >= 0; i-- {
		positions += s.lost[i].Count
		bytes += s.lost[i].bytes()
		if i < len(s.lost)-1 && (positions > max(s.rt.o.Context, lostPositions) || bytes > lostBytes) {
			s.lost = append([]Lost(nil), s.lost[i+1:]...) // none stays behind a slice's beginning
			break
		}
	}
	return nil
}

// unslide takes the last slide back in a session that goes back to n tokens.
func (s *Session) unslide(n int) error {
	l := s.lost[len(s.lost)-1]
	if stays := n - s.dropped - l.Floor; stays > 0 {
		if err := s.move(l.Floor, l.Floor+l.Count, units(stays)); err != nil {
			return err
		}
	}
	for i, rows := range l.Rows {
		if err := s.WriteCache(i, l.Floor, l.Floor+l.Count, rows); err != nil {
			return err
		}
	}
	s.dropped = l.Dropped
	s.lost = s.lost[:len(s.lost)-1]
	return nil
}

// regains reports whether everything is there that the caches lost since they
// had dropped the given number of tokens.
func (s *Session) regains(dropped int) bool {
	at := s.dropped
	for i := len(s.lost) - 1; i >= 0 && at > dropped; i-- {
		at = s.lost[i].Dropped
	}
	return at == dropped || at > dropped && len(s.sliding()) == 0
}

// move moves n positions of every cache that is no ring, whole units.
func (s *Session) move(from, to, n int) error {
	const step = 512
	var buf []byte
	for _, st := range s.sliding() {
		for done := 0; done < n; done += step {
			k := min(step, n-done)
			at := done
			if to > from { // bytes that are still to be read must not be overwritten
				at = n - done - k
			}
			list := copies(st, from+at, to+at, k)
			buf = buf[:0]
			for _, c := range list {
				buf = slices.Grow(buf, c.n)[:len(buf)+c.n]
				if err := s.seq.Buffer(st).Read(c.from, buf[len(buf)-c.n:]); err != nil {
					return err
				}
			}
			rest := buf
			for _, c := range list {
				if err := s.seq.Buffer(st).Write(c.to, rest[:c.n]); err != nil {
					return err
				}
				rest = rest[c.n:]
			}
		}
	}
	s.dirty = min(s.dirty, to)
	return nil
}

// bytesCopy is n bytes of a buffer that go elsewhere in it.
type bytesCopy struct{ from, to, n int }

// copies are the copies that move n positions of a cache. Only the spans of one
// unit are sure to be in the same order at another place, since a backend may
// lay out its cache in longer blocks.
func copies(st *backend.State, from, to, n int) (list []bytesCopy) {
	const unit = backend.CacheUnit
	for i := 0; i < n; i += unit {
		a, b := st.Rows(from+i, from+i+unit), st.Rows(to+i, to+i+unit)
		for len(a) > 0 && len(b) > 0 {
			k := min(a[0].N, b[0].N)
			list = append(list, bytesCopy{a[0].Off, b[0].Off, k})
			a, b = behind(a, k), behind(b, k)
		}
	}
	slices.SortFunc(list, func(a, b bytesCopy) int { return a.from - b.from })
	merged := list[:0]
	for _, c := range list {
		if k := len(merged) - 1; k >= 0 && merged[k].from+merged[k].n == c.from && merged[k].to+merged[k].n == c.to {
			merged[k].n += c.n
		} else {
			merged = append(merged, c)
		}
	}
	return merged
}

// behind is the spans without their first n bytes, which are at most all of the
// first span.
func behind(spans []backend.Span, n int) []backend.Span {
	if n == spans[0].N {
		return spans[1:]
	}
	spans[0].Off += n
	spans[0].N -= n
	return spans
}

// Lost is what the last slides took out of the caches, oldest first, if it is
// still kept. The caller must not change it.
func (s *Session) Lost() []Lost { return s.lost }

// Regain gives a session the Lost of an earlier one. It must follow Begin
// directly.
func (s *Session) Regain(list []Lost) error {
	at := s.dropped
	for i := len(list) - 1; i >= 0; i-- {
		l := &list[i]
		if l.Count <= 0 || l.Count%backend.CacheUnit != 0 || l.Floor < 0 || l.Floor%backend.CacheUnit != 0 || l.Floor > s.rt.o.Context-l.Count ||
			l.Dropped < 0 || l.Dropped+l.Count != at || len(l.Rows) != len(s.sliding()) {
			return fmt.Errorf("%d positions that the caches lost do not fit the session", l.Count)
		}
		for c, st := range s.sliding() {
			if n := bytesOf(st.Rows(l.Floor, l.Floor+l.Count)); n != len(l.Rows[c]) {
				return fmt.Errorf("%s: %d bytes for %d positions, which take %d", st.Name, len(l.Rows[c]), l.Count, n)
			}
		}
		at, l.ID = l.Dropped, s.changes
		s.changes++
	}
	s.lost = list
	return nil
}
