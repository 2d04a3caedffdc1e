package schedule

import (
	"context"
	"errors"
	"sync"
)

// Scheduler serves the requests of one model. Its methods may be called from
// any goroutine.
type Scheduler struct {
	c     *core
	work  chan func(*core) // for the scheduler's goroutine
	stop  chan struct{}
	once  sync.Once
	ended chan struct{}
	err   error // of closing
}

// New starts a scheduler. It owns the engine until it is closed. Temporary files of
// schedulers that were killed are removed.
func New(e Engine, o Options) *Scheduler {
	if o.Dir == "" {
		sweep()
	}
	s := &Scheduler{c: newCore(e, o), work: make(chan func(*core)), stop: make(chan struct{}), ended: make(chan struct{})}
	go s.run()
	return s
}

// run is the goroutine that owns the backend.
func (s *Scheduler) run() {
	defer close(s.ended)
	for busy := false; ; {
		if !busy && !s.c.saves() {
			select {
			case f := <-s.work:
				_ = s.turn(func() { f(s.c) })
			case <-s.stop:
				s.end()
				return
			}
		}
		for more := true; more; {
			select {
			case f := <-s.work:
				_ = s.turn(func() { f(s.c) })
			case <-s.stop:
				s.end()
				return
			default:
				more = false
			}
		}
		if err := s.turn(func() {
			if busy = s.c.step(); !busy || s.c.late() {
				s.c.saveOne()
			}
		}); err != nil {
			busy = len(s.c.tasks) > 0 // those that the mistake left
		}
	}
}

// end ends all requests.
func (s *Scheduler) end() {
	err := s.turn(func() { s.err = s.c.close(ErrClosed) })
	for err != nil && len(s.c.tasks) > 0 { // those that a mistake left
		err = s.turn(func() { s.err = s.c.close(ErrClosed) })
	}
	s.err = errors.Join(s.err, err)
}

// turn runs f while this scheduler has the backend.
func (s *Scheduler) turn(f func()) error {
	s.c.o.Turns.Lock()
	defer s.c.o.Turns.Unlock()
	return s.c.safe(f)
}

// do runs f on the scheduler's goroutine, between two steps.
func (s *Scheduler) do(ctx context.Context, f func(*core)) error {
	done := make(chan error, 1)
	select {
	case s.work <- func(c *core) { done <- c.safe(func() { f(c) }) }:
		return <-done
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ended:
		return ErrClosed
	}
}

// Submit hands in a request. It ends when ctx does. The error says why it
// cannot be served; ErrQueue says that it may be later.
func (s *Scheduler) Submit(ctx context.Context, r Request) (h *Handle, err error) {
	if bad := s.do(ctx, func(c *core) { h, err = c.submit(ctx, r) }); bad != nil {
		return nil, bad
	}
	return h, err
}

// Check says why a request would not be served, and does not hand it in.
func (s *Scheduler) Check(ctx context.Context, r Request) (err error) {
	if bad := s.do(ctx, func(c *core) { err = c.accepts(&r) }); bad != nil {
		return bad
	}
	return err
}

// Forget ends the session of a name and key.
func (s *Scheduler) Forget(key, session string) error {
	return s.do(context.Background(), func(c *core) { c.forget(name{key, session}) })
}

// Load is the scheduler's present work.
type Load struct {
	Waiting  int   `json:"waiting"`
	Reading  int   `json:"reading"`
	Decoding int   `json:"decoding"`
	Sessions int   `json:"sessions"`
	Memory   int64 `json:"memory_bytes"`   // of sequences
	Prefixes int64 `json:"prefixes_bytes"` // of kept prefixes
	Passes   int   `json:"passes"`
}

// Load tells how busy the scheduler is.
func (s *Scheduler) Load() (l Load, err error) {
	err = s.do(context.Background(), func(c *core) { l = c.status() })
	return l, err
}

// Close ends all requests with ErrClosed and frees their memory.
func (s *Scheduler) Close() error {
	s.once.Do(func() { close(s.stop) })
	<-s.ended
	return s.err
}
