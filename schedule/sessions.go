package schedule

import (
	"os"
	"slices"
)

// saved is a session between two of its requests: in memory, or in a file.
type saved struct {
	seq    Sequence // nil where it lies in a file
	file   string
	tokens []int32
	runs   []run
	slide  bool
	pin    int
	slid   bool
	bytes  int64 // of Options.Memory
	used   int   // arrival of its last request
}

func (t *task) name() name { return name{t.r.Key, t.r.Session} }

// busy says whether the request's session is at work for an earlier one.
func (c *core) busy(t *task) bool {
	return t.r.Session != "" && t.file == "" && slices.ContainsFunc(c.tasks, func(u *task) bool {
		return u != t && u.phase != over && u.name() == t.name() && (u.phase != waiting || u.file != "" || u.arrival < t.arrival)
	})
}

// retire ends a request's use of its sequence. Its end is kept as a prefix, and
// the sequence for the session.
func (c *core) retire(t *task) {
	if t.r.Reuse != ReuseNone {
		c.keep(t, true)
	}
	if t.r.Session == "" || len(t.seq.Tokens()) == 0 {
		c.release(t)
		return
	}
	c.forget(t.name())
	c.sessions[t.name()] = &saved{
		seq: t.seq, tokens: slices.Clone(t.seq.Tokens()), runs: t.runs, slide: t.r.Slide, pin: t.r.Pin,
		slid: t.seq.Dropped() > 0, bytes: t.bytes - t.beside, used: t.arrival,
	}
	c.used -= t.beside
	t.seq, t.bytes = nil, 0
	for len(c.sessions) > c.o.Sessions {
		n, _ := c.oldest(func(name, *saved) bool { return true })
		c.forget(n)
	}
}

// kept is the memory of a request's session, which the request takes over.
func (c *core) kept(t *task) int64 {
	if s := c.sessions[t.name()]; s != nil && t.r.Session != "" && t.file == "" {
		return s.bytes
	}
	return 0
}

// take takes a request's session out of those that are kept.
func (c *core) take(t *task) *saved {
	s := c.sessions[t.name()]
	if s == nil || t.r.Session == "" || t.file != "" {
		return nil
	}
	delete(c.sessions, t.name())
	c.used -= s.bytes
	return s
}

// resume goes on in a session, if the prompt goes on from its end. Otherwise
// the session ends, and a new one begins.
func (c *core) resume(t *task, s *saved) bool {
	if s == nil {
		return false
	}
	n := len(s.tokens)
	fits := t.r.Reuse != ReuseNone && s.slide == t.r.Slide && (s.pin == t.r.Pin || !s.slid) && n < len(t.r.Tokens) && slices.Equal(s.tokens, t.r.Tokens[:n])
	if fits && s.seq == nil {
		var err error
		s.seq, err = c.load(s.file, s.slide) // where it is gone, the prompt is read
		s.file, fits = "", err == nil
	}
	if !fits {
		s.end()
		return false
	}
	t.seq, t.runs = s.seq, s.runs
	t.seq.Pin(t.r.Pin)
	t.result.Cached = n
	return true
}

func (s *saved) end() {
	if s.seq != nil {
		s.seq.Close()
	}
	if s.file != "" {
		os.Remove(s.file)
	}
}

// oldest is the session that was used longest ago, of those that may.
func (c *core) oldest(may func(name, *saved) bool) (n name, ok bool) {
	for k, s := range c.sessions {
		if may(k, s) && (!ok || s.used < c.sessions[n].used) {
			n, ok = k, true
		}
	}
	return n, ok
}

// forget ends a session.
func (c *core) forget(n name) {
	if s := c.sessions[n]; s != nil {
		delete(c.sessions, n)
		c.used -= s.bytes
		s.end()
	}
}

// sleep writes kept sessions to files until that much memory is free, the one
// used longest ago first, and returns how much came free. The session of t
// stays.
func (c *core) sleep(need int64, t *task) (freed int64) {
	for freed < need {
		n, ok := c.oldest(func(n name, s *saved) bool { return s.seq != nil && (t == nil || n != t.name()) })
		if !ok {
			break
		}
		s := c.sessions[n]
		freed += s.bytes
		path, err := c.save(s.seq)
		if err != nil {
			c.forget(n) // its next request reads its prompt
			continue
		}
		c.used -= s.bytes
		s.seq.Close()
		s.seq, s.file, s.bytes = nil, path, 0
	}
	return freed
}
