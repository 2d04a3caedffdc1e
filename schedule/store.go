package schedule

import (
	"slices"
	"time"
)

// Store keeps beginnings of texts beyond the scheduler's end. Only the scheduler's
// goroutine calls it.
type Store interface {
	// Find puts the longest beginning of a prompt that it has of a key, longer than least
	// tokens and shorter than the prompt, into an empty sequence. It returns its length, or 0,
	// and the sequence is empty then.
	Find(key string, s Sequence, tokens []int32, least int) (n int, err error)
	// Keep adds a sequence's present point. One that cannot be kept is lost.
	Keep(key string, s Sequence)
}

// unsaved is an entry that the store has yet to get.
type unsaved struct {
	e     *entry
	since time.Time
}

const (
	mostUnsaved = 64                     // entries that wait for the store
	latest      = 5 * time.Second        // that one waits where others work
	lastSaves   = 500 * time.Millisecond // for those that are left when the scheduler ends
)

// toSave notes an entry for the store.
func (c *core) toSave(e *entry) {
	if c.o.Store == nil {
		return
	}
	if e.saved || slices.ContainsFunc(c.unsaved, func(u unsaved) bool { return u.e == e }) {
		return
	}
	if len(c.unsaved) == mostUnsaved {
		c.unsaved = c.unsaved[1:]
	}
	c.unsaved = append(c.unsaved, unsaved{e, c.o.Clock()})
}

// saves says whether the store has yet to get something.
func (c *core) saves() bool { return len(c.unsaved) > 0 }

// late says whether it has waited too long.
func (c *core) late() bool { return c.saves() && c.o.Clock().Sub(c.unsaved[0].since) > latest }

// saveOne gives the store the entry that came last. One that left the cache is lost.
func (c *core) saveOne() {
	if !c.saves() {
		return
	}
	last := len(c.unsaved) - 1
	e := c.unsaved[last].e
	c.unsaved = c.unsaved[:last]
	if e.node.kept != e {
		return
	}
	e.saved = true
	s, err := c.e.Open(false)
	if err != nil {
		return
	}
	defer s.Close()
	if c.prefixes.start(s, e, e.node.tokens()) == nil {
		c.o.Store.Keep(e.key, s)
	}
}

// stored begins a request's sequence with what the store has of its prompt, where that
// spares at least a page more than the entry e, which may be nil.
func (c *core) stored(t *task, e *entry) (found bool, err error) {
	least := c.l.Page / 2
	if e != nil {
		least += e.node.end
	}
	if c.o.Store == nil || t.r.Reuse != ReuseAll || least >= len(t.r.Tokens)-1 {
		return false, nil
	}
	n, err := c.o.Store.Find(t.r.Key, t.seq, t.r.Tokens, least)
	if err != nil { // without it the prompt is read
		if err = t.seq.Close(); err == nil {
			t.seq, err = c.e.Open(t.r.Slide)
		}
		if err == nil {
			t.seq.Pin(t.r.Pin)
		}
	}
	if err != nil || n == 0 {
		return false, err
	}
	t.runs = []run{{0, true}} // how it was computed is not known, as with replies
	t.result.Cached = n
	return true, nil
}
