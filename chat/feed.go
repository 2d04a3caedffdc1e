package chat

import (
	"context"
	"errors"
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/session"
)

// feedStep is how many prompt tokens are fed at a time, a multiple of
// backend.PromptUnit. The context is looked at within them, too.
const feedStep = 512

// LongError is the [model.ErrContext] about a prompt that does not fit.
type LongError struct {
	Tokens  int // of the prompt
	Context int
	// Stays is how many of the first tokens always stay in a context that cannot
	// slide for the prompt, with Behind more at least. It is 0 elsewhere.
	Stays, Behind int
	Chat          bool // the prompt is a conversation, which could begin anew
}

func (e *LongError) Error() string {
	text := fmt.Sprintf("%v: the prompt is %d tokens long, the context %d", model.ErrContext, e.Tokens, e.Context)
	if e.Stays > 0 {
		text += fmt.Sprintf(", and it cannot slide, since its first %d always stay, with %d behind them at least", e.Stays, e.Behind)
	}
	return text
}

func (e *LongError) Unwrap() error { return model.ErrContext }

// tooLong says why the rest of a prompt of n tokens does not fit the context,
// or is nil where it does.
func tooLong(s *model.Session, n int, chat bool) error {
	if n-len(s.Tokens()) < s.Room() {
		return nil
	}
	e := &LongError{Tokens: n, Context: s.Context(), Chat: chat}
	if s.Stuck() {
		const unit = backend.CacheUnit
		e.Stays, e.Behind = (max(1, s.Pinned())+unit-1)/unit*unit, unit
	}
	return e
}

// feed gives the session the tokens of ids that it lacks, in steps that can be
// interrupted, and returns the last one's logits. Where it has all of them,
// logits are the next token's. Where there is a cache, it is asked first for a
// longer beginning than the session has.
func (e *Engine) feed(ctx context.Context, s *model.Session, ids []int32, logits []float32, progress func(done, total int)) ([]float32, error) {
	if e.Cache != nil {
		n, found, err := e.Cache.Find(s, ids, len(s.Tokens()))
		if err != nil {
			return nil, err
		}
		if n > 0 {
			logits = found
		}
	}
	before := len(s.Tokens())
	total := len(ids) - before
	if progress == nil {
		progress = func(int, int) {}
	}
	stop := func() bool { return ctx.Err() != nil }
	for done := 0; done < total; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if done > 0 {
			e.yield(func() {})
		}
		n := min(total-done, feedStep-(before+done)%feedStep) // steps that end where states are kept
		want := model.WantNone
		if done+n == total {
			want = model.WantLast
		}
		watch := &model.Watch{Stop: stop, Read: func(read int) {
			if read < n {
				progress(done+read, total)
			}
		}}
		var err error
		if logits, err = s.Read(ids[before+done:before+done+n], want, watch); errors.Is(err, backend.ErrStopped) {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		done += n
		progress(done, total)
		if e.Cache != nil && (done == total || (before+done)%session.Interval == 0) {
			e.Cache.Keep(s, logits)
		}
	}
	return logits, nil
}
