package schedule

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// admit lets requests begin, or come back, in the order of their priority and
// arrival, while their memory fits. One that does not fit holds up those behind
// it, so that small ones cannot keep a large one out.
func (c *core) admit() {
	now := c.o.Clock()
	active := 0
	var queue []int
	for i, t := range c.tasks {
		if t.phase == waiting {
			queue = append(queue, i)
		} else {
			active++
		}
	}
	slices.SortStableFunc(queue, func(a, b int) int {
		return c.tasks[b].level(now, &c.o) - c.tasks[a].level(now, &c.o)
	})
	for _, i := range queue {
		t := c.tasks[i]
		if c.busy(t) {
			continue // its session is at work, and others need not wait for it
		}
		if active >= c.o.Active && !c.makeWay(t) {
			return
		}
		need, grows := c.entry(t)
		if !c.room(t, need, grows) {
			return
		}
		active = c.working() + 1
		c.enter(t, need)
	}
}

// working is how many requests are at work.
func (c *core) working() (n int) {
	for _, t := range c.tasks {
		if t.phase != waiting && t.phase != over {
			n++
		}
	}
	return n
}

// entry is the memory with which a request begins: its prompt, the first token
// of its reply, and what it held when it made room. grows says that it may need
// more later.
func (c *core) entry(t *task) (bytes int64, grows bool) {
	n := len(t.r.Tokens) + 1
	if t.file != "" {
		n = max(n, t.held+1)
	}
	most := c.l.Context
	if t.r.MaxTokens > 0 {
		most = min(most, len(t.r.Tokens)+t.r.MaxTokens)
	}
	b := c.e.Beside(&t.r)
	return c.l.bytes(n) + b, c.l.bytes(most) > c.l.bytes(n)
}

// room makes memory free for a request that begins. Beside it a page stays free
// for each request that may grow. Kept sessions go first, then requests of lower
// priority.
func (c *core) room(t *task, need int64, grows bool) bool {
	reserve := int64(0)
	if grows {
		reserve = c.l.page()
	}
	others := false
	for _, u := range c.tasks {
		if u.phase == reading || u.phase == decoding {
			others = true
			reserve += c.l.page()
		}
	}
	if !others {
		reserve = 0 // alone it may take all
	}
	over := c.used - c.kept(t) + need + reserve - c.o.Memory
	if over <= 0 {
		return true
	}
	over -= c.sleep(over, t)
	if over <= 0 {
		return true
	}
	ids := evict(c.below(t), over)
	for _, id := range ids {
		c.preempt(c.tasks[id])
	}
	return len(ids) > 0
}

// makeWay preempts a request of lower priority for one more at work.
func (c *core) makeWay(t *task) bool {
	id := victim(c.below(t))
	if id >= 0 {
		c.preempt(c.tasks[id])
	}
	return id >= 0
}

// below are the claims of requests at work that a request may push out: those
// that began at a lower level than its priority. So one that waited long enough
// to begin is not pushed out at once.
func (c *core) below(t *task) (list []claim) {
	for i, u := range c.tasks {
		if (u.phase == reading || u.phase == decoding) && u.entered < t.r.Priority {
			list = append(list, u.claim(i))
		}
	}
	return list
}

// enter begins a request, or takes one up that made room.
func (c *core) enter(t *task, need int64) {
	c.doing = []*task{t}
	s := c.take(t)
	t.entered = t.level(c.o.Clock(), &c.o)
	t.last = c.o.Clock()
	t.beside, t.bytes = c.e.Beside(&t.r), need
	c.used += need
	t.served = max(t.served, c.fair.now)
	if t.file != "" {
		if err := c.back(t); err != nil {
			c.end(t, Failed, err)
		}
		return
	}
	t.result.Admitted = c.since(t)
	t.phase = reading
	if c.resume(t, s) {
		return
	}
	if err := c.open(t); err != nil {
		c.end(t, Failed, err)
	}
}

// grow gives the requests of a pass the memory for one more position each.
// Where there is none, requests make room: the lowest priority, and of equal
// ones the latest. It returns those that are left.
func (c *core) grow(list []*task) []*task {
	for _, t := range list {
		for t.phase == decoding && c.fits(t) < 1 {
			if c.used+c.l.page() <= c.o.Memory || c.sleep(c.l.page(), nil) > 0 {
				if c.used+c.l.page() <= c.o.Memory {
					c.used += c.l.page()
					t.bytes += c.l.page()
				}
				continue
			}
			var all []claim
			for i, u := range c.tasks {
				if u.phase == reading || u.phase == decoding {
					all = append(all, u.claim(i))
				}
			}
			v := c.tasks[victim(all)]
			if len(all) == 1 {
				c.end(t, Failed, tooLarge(t.holds(), t.bytes+c.l.page(), c.o.Memory))
				break
			}
			c.preempt(v)
		}
	}
	return slices.DeleteFunc(list, func(t *task) bool { return t.phase != decoding })
}

// preempt writes a request to a file and gives its memory to others. It comes
// back exactly as it was.
func (c *core) preempt(t *task) {
	c.doing = []*task{t}
	var err error
	if t.at() > 0 { // otherwise it begins anew
		t.held = t.holds()
		t.file, err = c.save(t.seq)
	}
	if err != nil {
		c.end(t, Failed, fmt.Errorf("making room for others: %w", err))
		return
	}
	t.was, t.phase = t.phase, waiting
	t.result.Preempted++
	if t.dec != nil {
		err = t.dec.Leave()
	}
	if err = errors.Join(err, c.release(t)); err != nil {
		c.end(t, Failed, err)
	}
}

// back takes a request up from its file.
func (c *core) back(t *task) (err error) {
	if t.seq, err = c.load(t.file, t.r.Slide); err != nil {
		return err
	}
	t.file = ""
	t.phase = t.was
	if t.dec != nil {
		return t.dec.Move(t.seq)
	}
	return nil
}

// save writes a sequence to a file of its own.
func (c *core) save(s Sequence) (path string, err error) {
	if path, err = c.path(); err == nil {
		err = s.Save(path)
	}
	if err != nil {
		return "", err
	}
	return path, nil
}

// load reads a sequence from a file of its own, which ends.
func (c *core) load(path string, slide bool) (Sequence, error) {
	defer os.Remove(path)
	s, err := c.e.Open(slide)
	if err != nil {
		return nil, err
	}
	if err := s.Load(path); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func tooLarge(tokens int, need, memory int64) error {
	return fmt.Errorf("%w: behind %d tokens it takes %d bytes of %d", ErrMemory, tokens, need, memory)
}
