package schedule

import (
	"slices"

	"github.com/mil-run/mil/internal/mistake"
)

// safe runs f on the core. A panic ends the requests that were worked on with a
// [mistake.Error], and no others. The owner is told.
func (c *core) safe(f func()) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e := mistake.Recovered(p)
			c.broken(e)
			if c.o.Warn != nil {
				c.o.Warn(e)
			}
			err = e
		}
		c.doing = nil
	}()
	c.doing = nil
	f()
	return nil
}

// broken ends the requests that a panic came from. Where it is not known which, all that
// are at work end, or else it would come again.
func (c *core) broken(err error) {
	list := c.doing
	if len(list) == 0 {
		list = slices.DeleteFunc(slices.Clone(c.tasks), func(t *task) bool { return t.phase == waiting })
	}
	if len(list) == 0 {
		list = slices.Clone(c.tasks)
	}
	for _, t := range list {
		c.abandon(t, err)
	}
	c.tidy()
}

// abandon ends a request whose sequence may be broken.
func (c *core) abandon(t *task, err error) {
	defer func() {
		if recover() != nil && t.phase != over {
			c.used -= t.bytes
			t.seq, t.bytes, t.phase = nil, 0, over
			t.result.Why, t.result.Err = Failed, err
			t.h.finish(t.result)
		}
	}()
	c.end(t, Failed, err)
}
