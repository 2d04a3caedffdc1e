package schedule

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

// Requests of many goroutines come back with the texts that each gives alone. A
// consumer that takes nothing stalls nobody.
func TestScheduler(t *testing.T) {
	e := newSim(4096)
	s := New(e, Options{Clock: e.now, Prefixes: 1 << 20, Memory: 1 << 20, Dir: t.TempDir()})
	ctx := context.Background()
	slow, err := s.Submit(ctx, Request{Tokens: words(99, 100), MaxTokens: 500})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		r := Request{Tokens: words(uint64(i), 50+10*i), MaxTokens: 30, Reuse: ReuseRead, Draft: "sim"}
		want := byItself(t, r)
		all.Go(func() {
			h, err := s.Submit(ctx, r)
			if err != nil {
				t.Error(err)
				return
			}
			got := slices.Collect(h.Tokens(ctx))
			if r := h.Result(); r.Why != Limit || !slices.Equal(got, want) {
				t.Errorf("%s, %v: %v, alone %v", r.Why, r.Err, got, want)
			}
		})
	}
	all.Wait()
	if r := slow.Result(); r.Why != Limit {
		t.Errorf("%s, %v", r.Why, r.Err)
	}
	if ids, ok := slow.Next(ctx); len(ids) != 500 || !ok {
		t.Errorf("%d tokens were kept for it", len(ids))
	}
	if ids, ok := slow.Next(ctx); ok {
		t.Errorf("then %d more", len(ids))
	}
	// Nothing is at work now, and a cancelled request must end all the same.
	busy, _ := s.Submit(ctx, Request{Tokens: words(1, 100), Session: "s"})
	for range busy.Tokens(ctx) {
		break
	}
	within, cancel := context.WithCancelCause(ctx)
	other, _ := s.Submit(within, Request{Tokens: words(2, 100)})
	mine := errors.New("I changed my mind")
	cancel(mine)
	if r := busy.Result(); r.Why != Cancelled {
		t.Errorf("left: %s", r.Why)
	}
	if r := other.Result(); r.Why != Cancelled || r.Err != mine {
		t.Errorf("cancelled: %s, %v", r.Why, r.Err)
	}
	if l, err := s.Load(); err != nil || l.Sessions != 1 || l.Waiting+l.Reading+l.Decoding != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	s.Forget("", "s")
	if l, err := s.Load(); err != nil || l.Sessions != 0 || l.Memory != 0 {
		t.Errorf("%+v, %v", l, err)
	}
	last, _ := s.Submit(ctx, Request{Tokens: words(3, 100)})
	if err := s.Close(); err != nil || e.open != 0 {
		t.Errorf("%d sequences are open: %v", e.open, err)
	}
	if r := last.Result(); r.Why != Failed || r.Err != ErrClosed {
		t.Errorf("%s, %v", r.Why, r.Err)
	}
	if _, err := s.Submit(ctx, Request{Tokens: words(3, 100)}); err != ErrClosed {
		t.Errorf("a closed scheduler: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A queue that is full, and requests that cannot be, are refused at once.
func TestRefused(t *testing.T) {
	e := newSim(512)
	c := simCore(e, Options{Queue: 2, Active: 1})
	submit(t, c, Request{Tokens: words(1, 100), MaxTokens: 5})
	c.step()
	submit(t, c, Request{Tokens: words(2, 100), MaxTokens: 5})
	submit(t, c, Request{Tokens: words(2, 100), MaxTokens: 5})
	for _, x := range []struct {
		r    Request
		want error
	}{
		{Request{Tokens: words(3, 10)}, ErrQueue},
		{Request{}, ErrPrompt},
		{Request{Tokens: words(3, 513)}, ErrPrompt},
		{Request{Tokens: []int32{61}}, ErrPrompt},
		{Request{Tokens: []int32{-1}}, ErrPrompt},
		{Request{Tokens: words(3, 10), Pin: 11}, ErrPrompt},
	} {
		if _, err := c.submit(context.Background(), x.r); !errors.Is(err, x.want) {
			t.Errorf("%d tokens: %v", len(x.r.Tokens), err)
		}
	}
	drive(t, c)
}

// A prompt that fills the context gets one token, and one that slides goes on
// for as many as the context holds.
func TestFullContext(t *testing.T) {
	e := newSim(512)
	c := simCore(e, Options{})
	full := submit(t, c, Request{Tokens: words(1, 512)})
	slides := submit(t, c, Request{Tokens: words(1, 700), Slide: true, Draft: "sim"})
	drive(t, c)
	if r := full.Result(); r.Why != Full || r.Generated != 1 {
		t.Errorf("%s after %d: %v", r.Why, r.Generated, r.Err)
	}
	if r := slides.Result(); r.Why != Full || r.Generated < 512 {
		t.Errorf("%s after %d: %v", r.Why, r.Generated, r.Err)
	}
}
