package schedule

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

// core is the scheduler without its goroutine: requests are added, and each
// step does one thing. Tests step it under a clock of their own.
type core struct {
	e        Engine
	l        Limits
	o        Options
	costs    costs
	fair     fair
	tasks    []*task // in the order of their arrival
	sessions map[name]*saved
	prefixes *prefixes
	used     int64 // of Options.Memory
	arrivals int
	passes   int
	files    int
	pieced   bool
	unsaved  []unsaved
	doing    []*task  // the requests that are worked on now, see safe
	dir      string   // of files, "" before the first
	owner    *os.File // of dir, where that was made here
}

// name is a session's name within its key.
type name struct{ key, session string }

func newCore(e Engine, o Options) *core {
	l := e.Limits()
	o = o.filled(l)
	return &core{e: e, l: l, o: o, costs: newCosts(l), sessions: map[name]*saved{}, prefixes: newPrefixes(l, o.Prefixes)}
}

// submit adds a request.
func (c *core) submit(ctx context.Context, r Request) (*Handle, error) {
	if err := c.accepts(&r); err != nil {
		return nil, err
	}
	if r.Echo {
		r.Reuse, r.Session = ReuseNone, ""
	}
	queued := 0
	for _, t := range c.tasks {
		if t.phase == waiting {
			queued++
		}
	}
	if queued >= c.o.Queue {
		return nil, ErrQueue
	}
	t := &task{r: r, h: newHandle(ctx), arrival: c.arrivals, since: c.o.Clock(), was: reading}
	t.last = t.since
	t.result.Prompt = len(r.Tokens)
	c.arrivals++
	c.tasks = append(c.tasks, t)
	return t.h, nil
}

// accepts says why a request can never be served.
func (c *core) accepts(r *Request) error {
	if err := r.check(c.l); err != nil {
		return err
	}
	if need := c.least(r); need > c.o.Memory {
		return fmt.Errorf("%w: its prompt of %d tokens takes %d bytes of %d", ErrMemory, len(r.Tokens), need, c.o.Memory)
	}
	return nil
}

// least is the memory of a request that has read its prompt and begins its
// reply.
func (c *core) least(r *Request) int64 {
	return c.l.bytes(len(r.Tokens)+1) + c.e.Beside(r)
}

// step does the next thing. It is false where nothing is left to do.
func (c *core) step() bool {
	c.cancelled()
	c.admit()
	v := c.view()
	s := next(v, &c.costs, c.l, &c.o)
	switch {
	case len(s.decode) > 0:
		list := c.pick(s.decode)
		if list = c.grow(list); len(list) > 0 {
			c.pieced = false
			c.decode(list)
		}
	case s.read >= 0:
		c.pieced = true
		c.read(c.tasks[s.read], s.tokens, len(v.reading))
	default:
		return false
	}
	c.tidy()
	return true
}

// view is what the policy sees.
func (c *core) view() *view {
	v := &view{pieced: c.pieced}
	now := c.o.Clock()
	for i, t := range c.tasks {
		x := candidate{id: i, level: t.level(now, &c.o), arrival: t.arrival, pass: t.pass, served: t.served}
		switch t.phase {
		case reading:
			x.at, x.left = t.at(), t.left()
			if c.o.Prefixes > 0 && t.r.Reuse != ReuseNone {
				x.stop = t.stop(c.l.Unit)
			}
			v.reading = append(v.reading, x)
		case decoding:
			v.decoding = append(v.decoding, x)
		}
	}
	return v
}

func (c *core) pick(ids []int) (list []*task) {
	for _, id := range ids {
		list = append(list, c.tasks[id])
	}
	return list
}

// cancelled ends the requests that nobody waits for any more.
func (c *core) cancelled() {
	for _, t := range c.tasks {
		if err := t.h.ctx.Err(); err != nil && t.phase != over {
			c.end(t, Cancelled, context.Cause(t.h.ctx))
		}
	}
	c.tidy()
}

// tidy forgets the requests that have ended.
func (c *core) tidy() {
	c.tasks = slices.DeleteFunc(c.tasks, func(t *task) bool { return t.phase == over })
}

// end finishes a request.
func (c *core) end(t *task, why Reason, err error) {
	if t.phase == over {
		return
	}
	if t.dec != nil {
		c.closeDecoder(t)
	}
	if t.seq != nil && why != Failed {
		c.retire(t)
	} else {
		c.release(t)
	}
	if t.file != "" {
		os.Remove(t.file)
	}
	t.phase = over
	t.result.Why, t.result.Err = why, err
	t.result.Stats = c.stats(t)
	t.h.finish(t.result)
}

// stats is a request's work so far.
func (c *core) stats(t *task) Stats {
	now := t.result.Stats
	now.Drafted = t.draft
	if t.dec != nil {
		d := t.dec.Drafted()
		now.Drafted.Proposed += d.Proposed
		now.Drafted.Accepted += d.Accepted
	}
	now.Done = c.o.Clock().Sub(t.since)
	return now
}

func (c *core) closeDecoder(t *task) error {
	d := t.dec.Drafted()
	t.draft.Proposed += d.Proposed
	t.draft.Accepted += d.Accepted
	err := t.dec.Close()
	t.dec = nil
	return err
}

// release gives a request's memory back.
func (c *core) release(t *task) (err error) {
	if t.seq != nil {
		err = t.seq.Close()
	}
	c.used -= t.bytes
	t.seq, t.bytes = nil, 0
	return err
}

// close ends everything.
func (c *core) close(why error) error {
	for _, t := range c.tasks {
		if t.seq != nil {
			t.r.Session, t.r.Reuse = "", ReuseNone
		}
		c.end(t, Failed, why)
	}
	c.tasks = nil
	for n := range c.sessions {
		c.forget(n)
	}
	for end := c.o.Clock().Add(lastSaves); len(c.unsaved) > 0 && c.o.Clock().Before(end); {
		c.saveOne()
	}
	c.prefixes.close()
	return c.leave()
}

func (c *core) since(t *task) time.Duration { return c.o.Clock().Sub(t.since) }

// status is the present load.
func (c *core) status() Load {
	l := Load{Sessions: len(c.sessions), Memory: c.used, Prefixes: c.prefixes.held, Passes: c.passes}
	for _, t := range c.tasks {
		switch t.phase {
		case waiting:
			l.Waiting++
		case reading:
			l.Reading++
		case decoding:
			l.Decoding++
		}
	}
	return l
}
