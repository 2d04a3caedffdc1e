package schedule

import (
	"context"
	"iter"
	"sync"

	"github.com/mil-run/mil/sample"
)

// Handle is a request at work. Its methods may be called from any goroutine.
type Handle struct {
	mu     sync.Mutex
	ids    []int32           // made and not yet taken, at most as many as the context holds
	probs  []sample.Logprobs // of ids, where the request asks for them
	echo   []sample.Logprobs
	stats  Stats         // with the last token that was made
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
	ids, _, ok = h.NextLogprobs(ctx)
	return ids, ok
}

// NextLogprobs is Next with the tokens' log-probabilities, which are nil where
// the request does not ask for them.
func (h *Handle) NextLogprobs(ctx context.Context) (ids []int32, probs []sample.Logprobs, ok bool) {
	for {
		ended := false
		select {
		case <-h.done:
			ended = true
		default:
		}
		h.mu.Lock()
		ids, h.ids = h.ids, nil
		probs, h.probs = h.probs, nil
		h.mu.Unlock()
		if len(ids) > 0 || ended {
			return ids, probs, len(ids) > 0
		}
		select {
		case <-h.news:
		case <-h.done:
		case <-ctx.Done():
			return nil, nil, false
		}
	}
}

// Echo is the log-probabilities of the prompt's tokens from the second on, where
// the request asks for them. They are there when the first token is, or the end.
func (h *Handle) Echo() []sample.Logprobs {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.echo
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

// Stats is the work so far, up to the last token that was made, or to the end. Done is
// when that was.
func (h *Handle) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats
}

// emit hands a token over, its log-probabilities if there are any, and the work so far.
// It never waits for the consumer.
func (h *Handle) emit(id int32, probs []sample.Logprobs, now Stats) {
	h.mu.Lock()
	h.stats = now
	h.ids = append(h.ids, id)
	h.probs = append(h.probs, probs...)
	h.mu.Unlock()
	select {
	case h.news <- struct{}{}:
	default:
	}
}

// prompt hands over the log-probabilities of the prompt.
func (h *Handle) prompt(probs []sample.Logprobs) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.echo = probs
}

func (h *Handle) finish(r Result) {
	h.mu.Lock()
	h.stats = r.Stats
	h.mu.Unlock()
	h.result = r
	close(h.done)
	h.cancel()
}
