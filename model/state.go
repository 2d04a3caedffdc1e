package model

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/format"
)

// Part is a piece of a session's memory: one layer's keys or values, or
// recurrent state.
type Part struct {
	Name  string `json:"name"`
	Cache bool   `json:"cache,omitempty"`
	// Layout tells caches apart whose bytes mean something else.
	Layout string `json:"layout,omitempty"`
	Bytes  int    `json:"bytes"` // of a cache: for backend.CacheUnit positions
	// Window, where not 0, is how many positions a token attends to. The cache is
	// a ring of the text's positions then.
	Window int `json:"window,omitempty"`
}

// Parts lists the session's memory: the caches, rings last, then the recurrent
// state. Equal parts of two sessions of one model hold the same thing.
func (s *Session) Parts() (parts []Part) {
	for _, st := range s.caches() {
		parts = append(parts, Part{st.Name, true, st.Layout, bytesOf(st.Rows(0, backend.CacheUnit)), st.Window})
	}
	for _, st := range s.recurrent() {
		parts = append(parts, Part{Name: st.Name, Bytes: st.Bytes})
	}
	return parts
}

func bytesOf(spans []backend.Span) (sum int) {
	for _, sp := range spans {
		sum += sp.N
	}
	return sum
}

func (s *Session) caches() []*backend.State { return append(s.sliding(), s.ringed()...) }
func (s *Session) recurrent() []*backend.State {
	return s.list(func(st *backend.State) bool { return st.Kind != backend.StateKV })
}

func (s *Session) list(wanted func(*backend.State) bool) (out []*backend.State) {
	for _, name := range s.rt.names {
		if st := s.rt.states[name]; wanted(st) {
			out = append(out, st)
		}
	}
	return out
}

// Name is the model's name.
func (s *Session) Name() string { return s.rt.m.Config.Name }

// Identity names the session's model and how it is run.
func (s *Session) Identity() (string, error) {
	id, err := s.rt.m.file.Identity()
	if s.rt.o.PlainRope {
		id += " plain rope"
	}
	return id, err
}

// Changes counts what changed the session since it was made.
func (s *Session) Changes() int { return s.changes }

// Dirty is the first position of the caches whose keys and values may have
// changed since the last Clean. It is at most the number of positions that they
// hold.
func (s *Session) Dirty() int { return min(s.dirty, s.held()) }

// News is Dirty of the rings, whose positions are the text's. Ring i's before Since
// are not there any more.
func (s *Session) News() int { return min(s.news, len(s.tokens)) }

// Since is the first position of the text that cache i, a ring, still holds.
func (s *Session) Since(i int) int { return s.since(s.caches()[i]) }

// Ring is how many positions cache i has, where it is a ring.
func (s *Session) Ring(i int) int { return s.caches()[i].Ring }

// Clean makes Dirty and News count from here.
func (s *Session) Clean() { s.dirty, s.news = s.rt.o.Context+1, math.MaxInt }

// rows are the bytes of positions [from, to) of a cache.
func (s *Session) rows(st *backend.State, from, to int) ([]backend.Span, error) {
	const unit = backend.CacheUnit
	end := s.rt.o.Context
	if st.Ring > 0 {
		end = maxTimeline
	}
	if from < 0 || from%unit != 0 || to%unit != 0 || to <= from || to-unit >= end {
		return nil, fmt.Errorf("%s has no positions %d to %d", st.Name, from, to)
	}
	return st.Rows(from, to), nil
}

// wrote notes that somebody filled positions of a cache from the given one on.
func (s *Session) wrote(st *backend.State, from int) {
	if st.Ring > 0 {
		s.news = min(s.news, from)
	} else {
		s.dirty = min(s.dirty, from)
	}
}

// ReadCache appends cache i's bytes of positions [from, to), multiples of
// backend.CacheUnit, to p. Those of a ring are the text's, from Since on.
func (s *Session) ReadCache(i, from, to int, p []byte) ([]byte, error) {
	st := s.caches()[i]
	spans, err := s.rows(st, from, to)
	if err == nil && st.Ring > 0 && (from < s.since(st) || to > s.reach) {
		err = fmt.Errorf("%s holds positions %d to %d, not %d to %d", st.Name, s.since(st), s.reach, from, to)
	}
	if err != nil {
		return p, err
	}
	at := len(p)
	p = slices.Grow(p, bytesOf(spans))[:at+bytesOf(spans)]
	for _, sp := range spans {
		if err := s.seq.Buffer(st).Read(sp.Off, p[at:at+sp.N]); err != nil {
			return p, err
		}
		at += sp.N
	}
	return p, nil
}

// WriteCache is the reverse of ReadCache.
func (s *Session) WriteCache(i, from, to int, p []byte) error {
	st := s.caches()[i]
	spans, err := s.rows(st, from, to)
	if err != nil {
		return err
	}
	if n := bytesOf(spans); n != len(p) {
		return fmt.Errorf("%s: %d bytes for positions %d to %d, which take %d", st.Name, len(p), from, to, n)
	}
	s.wrote(st, from)
	for _, sp := range spans {
		if err := s.seq.Buffer(st).Write(sp.Off, p[:sp.N]); err != nil {
			return err
		}
		p = p[sp.N:]
	}
	return nil
}

// CacheMemory is the memory of positions [from, to) of cache i, for callers
// that fill it themselves. Its pieces follow each other as WriteCache's bytes
// do. It is nil where the backend keeps the cache elsewhere.
func (s *Session) CacheMemory(i, from, to int) (memory [][]byte, err error) {
	st := s.caches()[i]
	spans, err := s.rows(st, from, to)
	if err != nil {
		return nil, err
	}
	buf, ok := s.seq.Buffer(st).(interface{ Bytes() []byte })
	if !ok {
		return nil, nil
	}
	s.wrote(st, from)
	for _, sp := range spans {
		memory = append(memory, buf.Bytes()[sp.Off:sp.Off+sp.N])
	}
	return memory, nil
}

// MapCache is WriteCache from a file's bytes at an offset. Where the backend
// can, it maps them and does not read. It then returns the cache's memory, in
// pieces that follow each other in the file, to be read under format.Guard.
// Otherwise it returns nil.
func (s *Session) MapCache(i, from, to int, f *os.File, at int64) (memory [][]byte, err error) {
	st := s.caches()[i]
	spans, err := s.rows(st, from, to)
	if err != nil {
		return nil, err
	}
	buf, ok := s.seq.Buffer(st).(interface {
		backend.FileMapper
		Bytes() []byte
	})
	if !ok {
		p := make([]byte, bytesOf(spans))
		if _, err := f.ReadAt(p, at); err != nil {
			return nil, err
		}
		return nil, s.WriteCache(i, from, to, p)
	}
	s.watched = append(s.watched, format.Watch(f.Name(), buf.Bytes()))
	s.wrote(st, from)
	for _, sp := range spans {
		if err := buf.MapFile(sp.Off, f, at, sp.N); err != nil {
			return nil, err
		}
		memory = append(memory, buf.Bytes()[sp.Off:sp.Off+sp.N])
		at += int64(sp.N)
	}
	return memory, nil
}

// Begin makes tokens the session's timeline and state its recurrent state. The
// caches already hold the keys and values of all tokens except the dropped ones,
// rings as many of the last as fit.
// The last logged tokens are in the state's logs alone.
func (s *Session) Begin(tokens []int32, state [][]byte, logged, dropped int) error {
	if dropped < 0 || dropped > len(tokens) || len(tokens)-dropped > s.rt.o.Context || dropped%backend.CacheUnit != 0 {
		return errors.New("tokens and state do not fit the session")
	}
	if err := s.fits(tokens, state, logged); err != nil {
		return err
	}
	for i, st := range s.recurrent() {
		if err := s.seq.Buffer(st).Write(0, state[i]); err != nil {
			return err
		}
	}
	s.cut(0)
	s.tokens = append(s.tokens, tokens...)
	s.logged, s.settled, s.dropped, s.lost, s.slid = logged, 0, dropped, nil, false
	s.forget()
	s.reaches(len(tokens))
	s.changes++
	return nil
}

// BeginRings says, behind Begin, that the rings hold positions of the text from
// the given ones on, multiples of backend.CacheUnit, and not those before.
func (s *Session) BeginRings(from []int) error {
	s.known = map[string]int{}
	for i, st := range s.ringed() {
		s.known[st.Name] = from[i]
	}
	if !s.holds(len(s.tokens), s.logged) {
		return errors.New("positions that tokens attend to are missing")
	}
	return nil
}

// fits says whether a state can be the session's.
func (s *Session) fits(tokens []int32, state [][]byte, logged int) error {
	list := s.recurrent()
	if logged < 0 || logged > min(backend.MaxVerify, len(tokens)) || len(state) != len(list) {
		return errors.New("tokens and state do not fit the session")
	}
	for i, st := range list {
		if len(state[i]) != st.Bytes {
			return fmt.Errorf("%s has %d bytes, not %d", st.Name, st.Bytes, len(state[i]))
		}
	}
	for _, id := range tokens {
		if id < 0 || int(id) >= s.Vocab() {
			return fmt.Errorf("token %d is not among the model's %d", id, s.Vocab())
		}
	}
	return nil
}
