// Package eval measures models: perplexity of a text, KL divergence from
// another model, questions with exact answers, a needle in a haystack.
package eval

import (
	"context"
	"errors"
	"fmt"

	"github.com/mil-run/mil/backend"
	"github.com/mil-run/mil/model"
	"github.com/mil-run/mil/tokenizer"
)

// ErrInterrupted is returned when the context ends before the measurement.
var ErrInterrupted = errors.New("interrupted")

// Text is a text to measure models on.
type Text struct {
	Lead []int32 // the beginning of every window: the token that begins a text
	IDs  []int32
}

// NewText encodes a text. With special, the names of special tokens in it
// become those tokens, as in a rendered conversation.
func NewText(tok *tokenizer.Tokenizer, text string, special bool) Text {
	return Text{
		Lead: tok.Encode("", tokenizer.EncodeOptions{AddSpecial: true}),
		IDs:  tok.Encode(text, tokenizer.EncodeOptions{ParseSpecial: special}),
	}
}

// window is tokens [start,end) of a text, fed after its lead; [from,end) are
// predicted.
type window struct{ start, from, end int }

// windows cuts n tokens into windows of at most size. Each predicts the tokens
// that follow the last one, and begins overlap tokens before them. Without a
// lead nothing predicts the first token.
func windows(n, size, overlap int, lead bool) []window {
	from := 0
	if !lead {
		from = 1
	}
	var list []window
	for from < n {
		start := max(0, from-overlap)
		end := min(n, start+size)
		list = append(list, window{start, from, end})
		from = end
	}
	return list
}

// cut is the text's windows for a context of n tokens. Each begins before the
// tokens it predicts, by half the context, or by as little as possible where
// overlap is not wanted.
func (t *Text) cut(size int, half bool) ([]window, error) {
	size -= len(t.Lead)
	if size < 2 {
		return nil, fmt.Errorf("windows of %d tokens are too short", size+len(t.Lead))
	}
	lead := len(t.Lead) > 0
	overlap := 0
	switch {
	case half:
		overlap = size / 2
	case !lead:
		overlap = 1
	}
	list := windows(len(t.IDs), size, overlap, lead)
	if len(list) == 0 {
		return nil, errors.New("the text has nothing to predict")
	}
	return list, nil
}

// passTokens is how many tokens' logits are held at a time.
const passTokens = 256

// read feeds a window to every session and calls row with the predictions for
// ids [at, at+n): logits[i] is session i's [n][vocabulary].
func (t *Text) read(ctx context.Context, w window, rows func(at, n int, logits [][]float32) error, sessions ...*model.Session) error {
	for _, s := range sessions {
		if err := s.Reset(); err != nil {
			return err
		}
	}
	// The last token is predicted and not fed.
	in := append(append([]int32(nil), t.Lead...), t.IDs[w.start:w.end-1]...)
	first := len(t.Lead) + w.from - w.start - 1 // predicts ids[from]
	logits := make([][]float32, len(sessions))
	for at := 0; at < len(in); {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		n, want := min(passTokens, len(in)-at), model.WantAll
		if at < first {
			n, want = min(n, first-at), model.WantNone
		}
		for i, s := range sessions {
			var err error
			if logits[i], err = s.Feed(in[at:at+n], want); err != nil {
				return err
			}
		}
		if want == model.WantAll {
			if err := rows(w.from+at-first, n, logits); err != nil {
				return err
			}
		}
		at += n
	}
	return nil
}

// Read feeds a text in whole windows of the session's context, for a backend
// that observes the passes. It begins with the window that holds token from of
// all fed tokens. Before each window it calls window with the number of tokens
// fed so far.
func Read(ctx context.Context, t Text, s *model.Session, from int64, window func(fed int64), progress func(done, total int)) error {
	list, err := t.cut(s.Context(), false)
	if err != nil {
		return err
	}
	progress(0, len(t.IDs))
	var fed int64
	for _, w := range list {
		in := append(append([]int32(nil), t.Lead...), t.IDs[w.start:w.end-1]...) // the last is only predicted
		if n := int64(len(in)); fed+n <= from {
			fed += n
			progress(w.end, len(t.IDs))
			continue
		}
		if err := s.Reset(); err != nil {
			return err
		}
		window(fed)
		watch := model.Watch{
			Stop: func() bool { return ctx.Err() != nil },
			Read: func(tokens int) { progress(max(0, min(w.end, w.start+tokens-len(t.Lead))), len(t.IDs)) },
		}
		_, err := s.Read(in, model.WantNone, &watch)
		if errors.Is(err, backend.ErrStopped) {
			return ErrInterrupted
		}
		if err != nil {
			return err
		}
		progress(w.end, len(t.IDs))
		fed += int64(len(in))
	}
	return nil
}
