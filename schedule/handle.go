package schedule

import (
	"context"
	"iter"
	"sync"
)

// Handle is a request at work. Its methods may be called from any goroutine.
type Handle struct {
	mu     sync.Mutex
	ids    []int32       // made and not yet taken, at most as many as the context holds
	news   chan struct{} // holds one where there is something new
	done   chan struct{}
	result Result
	ctx    context.Context
	cancel context.CancelFunc
}

func newHandle(ctx context.Context) *Handle {
	h := &Handle{news: make(chan struct{}, 1), done: make(chan struct{})}
	h.ctx, h.cancel = context.WithCancel(ctx)
	return h
}

// Cancel ends the request between two steps.
func (h *Handle) Cancel() { h.cancel() }

// Next waits for new tokens and returns all of them. ok is false behind the
// last, and where ctx ends first.
func (h *Handle) Next(ctx context.Context) (ids []int32, ok bool) {
	for {
		ended := false
		select {
		case <-h.done:
			ended = true
		default:
		}
		h.mu.Lock()
		ids, h.ids = h.ids, nil
		h.mu.Unlock()
		if len(ids) > 0 || ended {
			return ids, len(ids) > 0
		}
		select {
		case <-h.news:
		case <-h.done:
		case <-ctx.Done():
			return nil, false
		}
	}
}

// Tokens are the reply's tokens as they come. Leaving the loop cancels the
// request.
func (h *Handle) Tokens(ctx context.Context) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for {
			ids, ok := h.Next(ctx)
			if !ok {
				return
			}
			for _, id := range ids {
				if !yield(id) {
					h.Cancel()
					return
				}
			}
		}
	}
}

// Done is closed when the request has finished.
func (h *Handle) Done() <-chan struct{} { return h.done }

// Result waits for the end of the request.
func (h *Handle) Result() Result {
	<-h.done
	return h.result
}

// emit hands a token over. It never waits for the consumer.
func (h *Handle) emit(id int32) {
	h.mu.Lock()
	h.ids = append(h.ids, id)
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

func (h *Handle) finish(r Result) {
	h.result = r
	close(h.done)
	h.cancel()
}
