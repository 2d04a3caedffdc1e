package chat

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mil-run/mil/tokenizer"
)

// Complete goes on with text exactly as it is, without a template. The session
// forgets everything before it, and the messages stay. Errors name the model's
// file.
func (c *Conversation) Complete(ctx context.Context, text string, emit func(string)) (Reply, error) {
	defer c.e.hold()()
	r, err := c.complete(ctx, text, emit)
	return r, c.e.file.Named(err)
}

func (c *Conversation) complete(ctx context.Context, text string, emit func(string)) (Reply, error) {
	start := time.Now()
	if err := c.setFormat(false); err != nil {
		return Reply{}, err
	}
	ids := c.e.Tokenizer.Encode(strings.ToValidUTF8(text, "\uFFFD"), tokenizer.EncodeOptions{AddSpecial: true})
	if len(ids) == 0 {
		return Reply{}, errors.New("there is no text to complete")
	}
	c.Forget() // the messages are not what the session reads now
	if err := c.s.Reset(); err != nil {
		return Reply{}, err
	}
	if err := tooLong(c.s, len(ids), false); err != nil {
		return Reply{}, err
	}
	fed := 0
	logits, err := c.e.feed(ctx, c.s, ids, nil, func(done, total int) {
		if fed = total; c.Progress != nil {
			c.Progress(done, total)
		}
	})
	if err != nil {
		return Reply{}, err
	}
	prompt := time.Since(start)
	c.decoder.Begin(logits)
	r, err := c.generate(ctx, false, emit)
	r.Stats.PromptTokens, r.Stats.ReusedTokens, r.Stats.PromptTime = fed, len(ids)-fed, prompt
	r.Stats.FirstToken += prompt
	return r, err
}
